/**
 * The model that is used when there is no key for a real one: a real OpenAI-compatible server
 * on this machine (chat completions and Responses), that answers by rules. What it says is
 * in `offline-agent.ts`; it never pretends to be a model.
 */
import { OFFLINE_MODEL } from '../contracts/model-traits.js';
import { startAimockFront } from './aimock-front.js';
import { offlineAnswer } from './offline-agent.js';
import { planOf } from './scripted-response.js';

export interface OfflineModel {
  /** `http://127.0.0.1:<port>/v1`, for `OPENAI_BASE_URL`; any key will do. */
  readonly baseUrl: string;
  stop(): Promise<void>;
}

export interface OfflineModelOptions {
  /** Default: a free one. */
  readonly port?: number;
  /** Without the pauses between pieces, for tests. */
  readonly instant?: boolean;
}

export function startOfflineModel(options: OfflineModelOptions = {}): Promise<OfflineModel> {
  return startAimockFront({
    port: options.port,
    plan: (request) => {
      // By its own name: whoever asked may have named a real model.
      const answer = { ...offlineAnswer(request), model: OFFLINE_MODEL };
      return planOf(options.instant === true ? { ...answer, chunkDelayMs: 0 } : answer, request);
    },
  });
}
