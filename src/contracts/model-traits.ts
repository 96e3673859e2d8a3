/**
 * What requests must know about a model, from its name alone. Pure; no table of prices and
 * no request enters here.
 */

/**
 * What the scripted model of this package is called wherever a model is named: nobody shall
 * take its answers, or the cost of them, for those of the model that would have answered.
 */
export const OFFLINE_MODEL = 'scripted-offline';

/**
 * Whether this is one of OpenAI's reasoning models (o1, o3, o4-mini, gpt-5 and later), by name,
 * also behind a router (`openai/gpt-5`). They refuse `max_tokens` (they want
 * `max_completion_tokens`) and any `temperature` but their own, so both are left out for them.
 * Everything else, every other vendor's model included, gets the older parameters, which all
 * compatible endpoints take. `gpt-oss` is not one of them: others serve it.
 */
export function isOpenAIReasoningModel(model: string): boolean {
  return /^(?:openai\/)?(?:o\d|gpt-(?:[5-9]|\d\d)(?!\d))/.test(model);
}
