/** What a demo has started, seen from outside, so that it can say that none of it is left. */
import { execFileSync } from 'node:child_process';

/** What a killed worker had started ends by itself, when it notices; ms. */
const PATIENCE_MS = 10_000;

export class StartedProcesses {
  // What was there before is not ours: the compiler that runs this file.
  readonly #before = new Set(descendants());
  readonly #started = new Set<number>();

  /** Takes down what runs now. */
  note(): void {
    for (const pid of descendants()) if (!this.#before.has(pid)) this.#started.add(pid);
  }

  /** Says whether any of it still runs, once it has had time to end. True: none. */
  async sayWhatIsLeft(): Promise<boolean> {
    const left = () => processes().filter(({ pid }) => this.#started.has(pid));
    for (const until = Date.now() + PATIENCE_MS; left().length > 0 && Date.now() < until;) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const pids = left().map(({ pid }) => pid);
    console.log(
      pids.length === 0
        ? `\nEverything has been stopped; of ${this.#started.size} processes none is left.`
        : `\nStill running: ${pids.join(', ')}.`,
    );
    return pids.length === 0;
  }
}

/** Every process below this one: databases, servers, workers, MCP servers. */
function descendants(): number[] {
  const table = processes();
  const found: number[] = [];
  for (let parents = [process.pid]; parents.length > 0;) {
    const children = table.filter(({ ppid }) => parents.includes(ppid)).map(({ pid }) => pid);
    found.push(...children);
    parents = children;
  }
  return found;
}

/** What runs. A zombie has ended, and waits only for its parent to ask how. */
function processes(): { pid: number; ppid: number }[] {
  return execFileSync('ps', ['-A', '-o', 'pid=,ppid=,stat=,comm='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , stat, name]) => !stat?.startsWith('Z') && name !== 'ps')
    .map(([pid, ppid]) => ({ pid: Number(pid), ppid: Number(ppid) }));
}
