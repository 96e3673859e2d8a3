/** The activities of sessions and of `perdura/workflow`, made of what they are given. */
import type { SessionActivities } from '../src/contracts/activities.js';
import type { MailActivities } from '../src/contracts/mail.js';
import type { PartActivities } from '../src/contracts/parts.js';
import type { Tool } from '../src/contracts/tool.js';
import { deliverMail } from './mail/deliver-mail.js';
import { endGroupTurn } from './mail/end-group-turn.js';
import { partActivities } from './parts/part-activities.js';
import { NO_BUS, withoutEvents } from './parts/quiet-store.js';
import { callModel, type CallModelDeps } from './session/call-model.js';
import { callTool, type CallToolDeps } from './session/call-tool.js';
import { compact } from './session/compact.js';
import type { ActivityDeps } from './deps.js';
import { beating } from './execution.js';
import { withFailures } from './failures.js';
import { handOff } from './session/hand-off.js';
import { InlineTools } from './session/inline-tools.js';
import { ModelTools } from '../src/tools/model-tools.js';
import * as writes from './session/session-writes.js';
import { Recollections } from './session/recollections.js';
import { RuntimeContexts } from './session/runtime-contexts.js';
import { Speakers } from './session/speaker.js';
import { StepSeriesDesk } from './session/step-series.js';
import { ToolRunner } from '../src/tools/tool-runner.js';
import { TranscriptCache } from './session/transcript-cache.js';

export type { ActivityDeps, ActivitySettings } from './deps.js';
export { previewContext, type ContextPreview } from './session/preview.js';

/** Every activity throws `ApplicationFailure`s with a type of `contracts/failures.ts`. */
export function createActivities(
  deps: ActivityDeps,
): SessionActivities & PartActivities & MailActivities {
  const cache = new TranscriptCache(deps.transcripts);
  const runner = new ToolRunner(deps.log);
  const modelTools = new ModelTools();
  const speakers = new Speakers(deps.bus);
  const runtimes = new RuntimeContexts(deps.contexts, deps.tools);
  const tool = { ...deps, cache, runner, speakers, runtimes };
  const series = new StepSeriesDesk(deps.bus);
  const recollections = new Recollections(deps.memory);
  const model = { ...tool, series, modelTools, recollections, inlineTools: inlineTools(tool) };
  const quiet = {
    ...tool,
    tools: ofNoSession(deps.tools),
    requests: undefined,
    transcripts: withoutEvents(deps.transcripts),
    bus: NO_BUS,
    speakers: new Speakers(NO_BUS),
  };
  return withFailures<SessionActivities & PartActivities & MailActivities>({
    openSession: beating((input) => writes.openSession(tool, input)),
    callModel: (input) => callModel(model, input),
    callTool: (input) => callTool(tool, input),
    handOff: beating((input) => handOff(tool, input)),
    compact: (input) => compact(model, input),
    endTurn: beating((input) => writes.endTurn(deps, input)),
    moveSession: beating((input) => writes.moveSession(deps, input)),
    adoptChild: beating((input) => writes.adoptChild(deps, input)),
    recordState: beating((input) => writes.recordState(deps, input)),
    recordRefusals: beating((input) => writes.recordRefusals(deps, input)),
    spill: beating((input) => writes.spill(deps, input)),
    readAnswer: beating((input) => writes.readAnswer(deps, input)),
    publishInterrupt: beating((input) => writes.publishInterrupt(deps, input)),
    publishSteering: beating((input) => writes.publishSteering(deps, input)),
    leavePool: beating((input) => writes.leavePool(deps, input)),
    endGroupTurn: beating((input) => endGroupTurn(deps, input)),
    deliverMail: (input) => deliverMail(deps, input),
    ...partActivities({
      deps,
      model: {
        ...quiet,
        series: new StepSeriesDesk(NO_BUS),
        modelTools,
        recollections,
        inlineTools: inlineTools(quiet),
      },
      tool: quiet,
      end: quiet,
    }),
  });
}

/** A workflow of an application has no session that could change hands, or that a person could answer. */
function ofNoSession(tools: ActivityDeps['tools']): ActivityDeps['tools'] {
  // What is made of a set of tools is kept by its identity.
  const without = new WeakMap<ReadonlyMap<string, Tool>, ReadonlyMap<string, Tool>>();
  return {
    ...tools,
    async toolsOf(agent, tenant) {
      const all = await tools.toolsOf(agent, tenant);
      let some = without.get(all);
      if (!some) {
        some = new Map(
          [...all].filter(([, { source, run }]) => source.kind !== 'handoff' && run !== 'person'),
        );
        without.set(all, some);
      }
      return some;
    },
  };
}

function inlineTools(tool: CallToolDeps): CallModelDeps['inlineTools'] {
  return (...call) => InlineTools.for(tool, ...call);
}
