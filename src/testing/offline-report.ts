/** The offline model's report on files: every number is counted in what the tools answered. Pure. */
import { pathOf } from './offline-turn.js';
import type { Done } from './offline-turn.js';

/** A file of a listing. */
export interface ListedFile {
  readonly path: string;
  readonly name: string;
  readonly folder: boolean;
}

interface ReadFile {
  readonly name: string;
  readonly lines: number;
  readonly words: number;
  readonly characters: number;
  /** A heading, or the first sentence. */
  readonly opening: string;
  readonly error: boolean;
}

export function fileReport(
  question: string,
  listed: readonly ListedFile[],
  reads: readonly Done[],
): string {
  const files = listed.filter((f) => !f.folder);
  const folders = listed.filter((f) => f.folder);
  const parts: string[] = [];
  if (listed.length > 0) {
    const names = files.slice(0, 20).map((f) => f.name);
    const more = files.length > names.length ? ` and ${files.length - names.length} more` : '';
    parts.push(
      `The folder has ${count(files.length, 'file')}` +
        (names.length > 0 ? `: ${names.join(', ')}${more}` : '') +
        (folders.length > 0
          ? `, and ${count(folders.length, 'folder')} that I did not open: ${folders.map((f) => f.name).join(', ')}.`
          : '.'),
    );
  } else if (reads.length === 0) parts.push('The folder is empty.');

  const read = reads.map(measure);
  const good = read.filter((f) => !f.error);
  for (const f of read) {
    parts.push(
      f.error
        ? `- ${f.name}: it could not be read (${f.opening})`
        : `- ${f.name}: ${count(f.lines, 'line')}, ${count(f.words, 'word')}. It begins: “${f.opening}”`,
    );
  }
  if (good.length > 1) {
    const by = (key: 'characters' | 'words') => good.toSorted((a, b) => b[key] - a[key]);
    if (/\b(?:largest|longest|biggest)\b/i.test(question)) {
      const [first] = by(/\bwords?\b/i.test(question) ? 'words' : 'characters');
      parts.push(
        `The largest that I read is ${first!.name}, with ${first!.characters} characters.`,
      );
    }
    if (/\b(?:smallest|shortest)\b/i.test(question)) {
      const last = by('characters').at(-1)!;
      parts.push(`The smallest that I read is ${last.name}, with ${last.characters} characters.`);
    }
    const words = good.reduce((sum, f) => sum + f.words, 0);
    parts.push(`Together: ${words} words in ${count(good.length, 'file')}.`);
  }
  return parts.join('\n');
}

function measure({ call, result: text }: Done): ReadFile {
  const path = pathOf(call.arguments);
  const error = /^(?:Error|Access denied|ENOENT|EISDIR|OUTCOME_UNKNOWN)/i.test(text);
  return {
    name: path.split(/[/\\]/).at(-1) || path,
    lines: text === '' ? 0 : text.replace(/\n$/, '').split('\n').length,
    words: text.split(/\s+/).filter((word) => word !== '').length,
    characters: text.length,
    opening: openingOf(text),
    error,
  };
}

function openingOf(text: string): string {
  const line = text.split('\n').find((l) => /\w/.test(l)) ?? '';
  const clean = line.replace(/^[#>*\s-]+/, '').trim();
  const sentence = /^.{1,140}?[.!?](?=\s|$)/.exec(clean)?.[0] ?? clean;
  return sentence.length > 140 ? `${sentence.slice(0, 139)}…` : sentence;
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}
