/** The activities of a session, made of what they are given. */
import type { SessionActivities } from '../src/contracts/activities.js';
import { callModel, type CallModelDeps } from './session/call-model.js';
import { callTool } from './session/call-tool.js';
import { compact } from './session/compact.js';
import type { ActivityDeps } from './deps.js';
import { withFailures } from './failures.js';
import { InlineTools } from './session/inline-tools.js';
import { ModelTools } from '../src/tools/model-tools.js';
import * as writes from './session/session-writes.js';
import { Speakers } from './session/speaker.js';
import { ToolRunner } from '../src/tools/tool-runner.js';
import { TranscriptCache } from './session/transcript-cache.js';

export type { ActivityDeps, ActivitySettings } from './deps.js';

/** Every activity throws `ApplicationFailure`s with a type of `contracts/failures.ts`. */
export function createActivities(deps: ActivityDeps): SessionActivities {
  const cache = new TranscriptCache(deps.transcripts);
  const speakers = new Speakers(deps.bus);
  const tool = { ...deps, cache, runner: new ToolRunner(deps.log), speakers };
  const model = {
    ...tool,
    modelTools: new ModelTools(),
    inlineTools: ((...call) =>
      InlineTools.for(tool, ...call)) satisfies CallModelDeps['inlineTools'],
  };
  return withFailures<SessionActivities>({
    openSession: (input) => writes.openSession(tool, input),
    callModel: (input) => callModel(model, input),
    callTool: (input) => callTool(tool, input),
    compact: (input) => compact(model, input),
    endTurn: (input) => writes.endTurn(deps, input),
    recordState: (input) => writes.recordState(deps, input),
    recordRefusals: (input) => writes.recordRefusals(deps, input),
    spill: (input) => writes.spill(deps, input),
    readAnswer: (input) => writes.readAnswer(deps, input),
    publishInterrupt: (input) => writes.publishInterrupt(deps, input),
  });
}
