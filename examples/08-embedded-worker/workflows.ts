/** The workflows of this application: its own, and Perdura's beside them. Sandbox only. */
import { proxyActivities } from '@temporalio/workflow';
import type { Activities } from './activities.js';

export * from 'perdura/workflow';

const { countArrivals, askAgent } = proxyActivities<Activities>({
  startToCloseTimeout: '1 minute',
});

/** Counts with the application's own activity, and has an agent put it into words. */
export async function dailyReport(day: string): Promise<{ arrivals: number; report: string }> {
  const arrivals = await countArrivals(day);
  const report = await askAgent(
    `report-${day}`,
    `${arrivals} ships arrived on ${day}. Report that.`,
  );
  return { arrivals, report };
}
