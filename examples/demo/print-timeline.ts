/** The timeline of a session, a line for each thing that happened. */
import type { Timeline } from 'perdura';

export function printTimeline({ turns, costMicros }: Timeline): void {
  for (const turn of turns) {
    console.log(`  turn ${turn.turn} · ${turn.outcome}`);
    for (const step of turn.steps) {
      for (const { attempt, outcome, inputTokens, outputTokens, model } of step.attempts) {
        console.log(
          `    step ${step.step} · attempt ${attempt} · ${model} · ${outcome} · ${inputTokens} → ${outputTokens} tokens`,
        );
      }
      for (const { name, attempts, result } of step.tools) {
        const tries = attempts > 1 ? ` · ${attempts} attempts` : '';
        console.log(`      ${name}${tries} · ${result ? `${result.bytes} bytes` : 'no result'}`);
      }
    }
  }
  console.log(`  cost ${(costMicros / 1e6).toFixed(4)} USD`);
}
