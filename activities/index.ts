/** The activities of sessions and of `perdura/workflow`, made of what they are given. */
import type { SessionActivities } from '../src/contracts/activities.js';
import type { PartActivities } from '../src/contracts/parts.js';
import { partActivities } from './parts/part-activities.js';
import { NO_BUS, withoutEvents } from './parts/quiet-store.js';
import { callModel, type CallModelDeps } from './session/call-model.js';
import { callTool, type CallToolDeps } from './session/call-tool.js';
import { compact } from './session/compact.js';
import type { ActivityDeps } from './deps.js';
import { beating } from './execution.js';
import { withFailures } from './failures.js';
import { InlineTools } from './session/inline-tools.js';
import { ModelTools } from '../src/tools/model-tools.js';
import * as writes from './session/session-writes.js';
import { Speakers } from './session/speaker.js';
import { StepSeriesDesk } from './session/step-series.js';
import { ToolRunner } from '../src/tools/tool-runner.js';
import { TranscriptCache } from './session/transcript-cache.js';

export type { ActivityDeps, ActivitySettings } from './deps.js';

/** Every activity throws `ApplicationFailure`s with a type of `contracts/failures.ts`. */
export function createActivities(deps: ActivityDeps): SessionActivities & PartActivities {
  const cache = new TranscriptCache(deps.transcripts);
  const runner = new ToolRunner(deps.log);
  const modelTools = new ModelTools();
  const speakers = new Speakers(deps.bus);
  const tool = { ...deps, cache, runner, speakers };
  const series = new StepSeriesDesk(deps.bus);
  const model = { ...tool, series, modelTools, inlineTools: inlineTools(tool) };
  const quiet = {
    ...tool,
    transcripts: withoutEvents(deps.transcripts),
    bus: NO_BUS,
    speakers: new Speakers(NO_BUS),
  };
  return withFailures<SessionActivities & PartActivities>({
    openSession: beating((input) => writes.openSession(tool, input)),
    callModel: (input) => callModel(model, input),
    callTool: (input) => callTool(tool, input),
    compact: (input) => compact(model, input),
    endTurn: beating((input) => writes.endTurn(deps, input)),
    recordState: beating((input) => writes.recordState(deps, input)),
    recordRefusals: beating((input) => writes.recordRefusals(deps, input)),
    spill: beating((input) => writes.spill(deps, input)),
    readAnswer: beating((input) => writes.readAnswer(deps, input)),
    publishInterrupt: beating((input) => writes.publishInterrupt(deps, input)),
    publishSteering: beating((input) => writes.publishSteering(deps, input)),
    ...partActivities({
      deps,
      model: {
        ...quiet,
        series: new StepSeriesDesk(NO_BUS),
        modelTools,
        inlineTools: inlineTools(quiet),
      },
      tool: quiet,
      end: quiet,
    }),
  });
}

function inlineTools(tool: CallToolDeps): CallModelDeps['inlineTools'] {
  return (...call) => InlineTools.for(tool, ...call);
}
