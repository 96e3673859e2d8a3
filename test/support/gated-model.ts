/** A model whose answers wait until a test lets them go, so that it decides who is at work. */
import type { ScriptedModel } from '../../src/testing/scripted-model.js';
import type { SeenRequest } from '../../src/testing/seen-request.js';
import { eventually } from './observe.js';

export class GatedModel {
  /** Requests that wait, by the last text of the user. */
  readonly open = new Map<string, () => void>();
  /** Most that have waited at the same moment. */
  most = 0;
  #released = false;

  constructor(model: ScriptedModel, match: (request: SeenRequest) => boolean = () => true) {
    model.reply(match, async (request) => {
      const text = request.lastUserText;
      if (this.#released) return `Answer to ${text}`;
      let go: () => void = () => undefined;
      await new Promise<void>((resolve) => {
        go = resolve;
        this.open.set(text, go);
        this.most = Math.max(this.most, this.open.size);
      });
      // Another attempt may wait in its place.
      if (this.open.get(text) === go) this.open.delete(text);
      return `Answer to ${text}`;
    });
  }

  /** Resolves when these wait at the same moment, and no others. */
  async atWork(...texts: string[]): Promise<void> {
    const wanted = [...texts].sort().join();
    await eventually(() => [...this.open.keys()].sort().join() === wanted);
  }

  /** Lets all be answered, from now on. */
  release(): void {
    this.#released = true;
    for (const go of this.open.values()) go();
  }

  /** Lets these be answered. */
  answer(...texts: string[]): void {
    for (const text of texts) {
      const go = this.open.get(text);
      if (!go) throw new Error(`"${text}" is not at work: ${[...this.open.keys()].join(', ')}.`);
      go();
    }
  }
}
