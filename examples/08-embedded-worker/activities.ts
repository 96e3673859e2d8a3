/** The activities of this application. They get what they need when the worker is made. */
import { activityInfo } from '@temporalio/activity';
import type { AgentRuntime } from 'perdura';

export type Activities = ReturnType<typeof createActivities>;

export function createActivities(runtime: AgentRuntime) {
  return {
    async countArrivals(day: string): Promise<number> {
      return day === 'friday' ? 41 : 31;
    },

    /**
     * Asks in the session of that name. When Temporal tries this activity again, the message
     * has the same id: the agent takes it once, and both attempts get the one answer.
     */
    async askAgent(session: string, text: string): Promise<string> {
      const { workflowExecution, activityId } = activityInfo();
      const agent = await runtime.start({ session });
      const answer = await agent.ask({ id: `${workflowExecution?.runId}-${activityId}`, text });
      return answer.text;
    },
  };
}
