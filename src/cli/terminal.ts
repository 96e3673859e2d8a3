/**
 * Where a command writes: results to standard output, everything about them to standard
 * error. With `--json` only JSON reaches standard output. What comes from models and tools
 * must be cleaned by the renderers before it gets here.
 */
import { failureText, type FailureReport } from './render/failure.js';
import type { Piece } from './render/screen.js';
import { createStyle, type Style } from './render/style.js';

/** `perdura` where a command follows. */
const COMMAND =
  /\bperdura(?= (?:dev|doctor|run|chat|send|sessions|show|interrupt|pause|resume|end|worker|migrate|mcp|groups|messages|memory|skills|context)\b)/g;

export interface Streams {
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly stdout: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
}

export class Terminal {
  readonly streams: Streams;
  readonly json: boolean;
  /** For standard output. */
  readonly style: Style;
  /** For standard error. */
  readonly noteStyle: Style;

  readonly #command: string;

  /** `command` is how `perdura` is called here. */
  constructor(
    streams: Streams,
    options: { json: boolean; noColor: boolean; command?: string | undefined },
  ) {
    this.#command = options.command ?? 'perdura';
    this.streams = streams;
    this.json = options.json;
    const colours = ({ isTTY }: { isTTY?: boolean }) => isTTY === true && !options.noColor;
    this.style = createStyle(colours(streams.stdout) && !options.json);
    this.noteStyle = createStyle(colours(streams.stderr));
  }

  /** Answers and people are on the same screen, so words may come as they are said. */
  get interactive(): boolean {
    return this.streams.stdout.isTTY === true && !this.json;
  }

  /** A result, for people; nothing with `--json`. */
  print(text: string): void {
    if (!this.json) this.streams.stdout.write(text);
  }

  /** A result, for programs: one line of JSON; nothing without `--json`. */
  printJson(value: unknown): void {
    if (this.json) this.streams.stdout.write(`${JSON.stringify(value)}\n`);
  }

  /** A sentence about the progress of the command. */
  note(text: string): void {
    this.streams.stderr.write(`${this.noteStyle.dim(this.asTyped(text))}\n`);
  }

  /** A message with the commands in it as they can be typed here. */
  asTyped(text: string): string {
    return text.replace(COMMAND, this.#command);
  }

  write(pieces: readonly Piece[]): void {
    for (const { to, text } of pieces) {
      (to === 'answer' ? this.streams.stdout : this.streams.stderr).write(text);
    }
  }

  failure(report: FailureReport): void {
    const text = this.json
      ? `${JSON.stringify({ error: report })}\n`
      : this.asTyped(failureText(report, this.noteStyle));
    this.streams.stderr.write(text);
  }
}
