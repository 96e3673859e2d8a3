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
  readonly text: string;
}

/** Lines of a file that are quoted on a topic. */
const MOST_QUOTES = 3;

const QUOTED = /["“”`]([^"“”`]{2,60})["“”`]/;
const TOPIC =
  /\b(?:about|mention(?:s|ed|ing)?|contain(?:s|ing)?|regarding|concerning|where (?:is|are))\s+(?:the\s+|an?\s+)?([^,.;:?!]{2,60}?)(?=[,;:?!]|\.(?:\s|$)|\s+(?:and|in|or)\s|\s*$)/i;
/** What "about" is often followed by, without being a topic. */
const NO_TOPIC =
  /^(?:it|them|this|that|these|those|they|you|me|yourself|(?:(?:all|any|each|every|these|those|your|my|our) )?(?:files?|folders?|documents?|notes?|contents?))$/i;

/** What a question wants to know of the files' contents: "… say about crane 2?" → "crane 2". */
export function topicOf(question: string): string | undefined {
  const topic = (QUOTED.exec(question) ?? TOPIC.exec(question))?.[1]?.trim();
  return topic === undefined || NO_TOPIC.test(topic) ? undefined : topic;
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
  const topic = topicOf(question);
  if (topic !== undefined && good.length > 0) parts.push(...quotesOn(topic, good));
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

/** What the files say, line by line: the words of the topic together, or at least all of them. */
function quotesOn(topic: string, files: readonly ReadFile[]): string[] {
  const phrase = topic.toLowerCase();
  const words = phrase.split(/\s+/);
  const tests = [
    (line: string) => line.includes(phrase),
    (line: string) => words.every((word) => line.includes(word)),
  ];
  for (const test of tests) {
    const quotes = files.flatMap(({ name, text }) => {
      const lines = text.split('\n').map((line, i) => ({ line, number: i + 1 }));
      const found = lines.filter(({ line }) => test(line.toLowerCase()));
      return found
        .slice(0, MOST_QUOTES)
        .map(({ line, number }) => `- ${name}, line ${number}: “${clip(line)}”`);
    });
    if (quotes.length > 0) return [`About “${topic}”:`, ...quotes];
  }
  return [`None of what I read mentions “${topic}”.`];
}

function clip(line: string): string {
  const clean = line.replace(/^[#>*\s-]+/, '').trim();
  return clean.length > 140 ? `${clean.slice(0, 139)}…` : clean;
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
    text,
  };
}

function openingOf(text: string): string {
  const line = text.split('\n').find((l) => /\w/.test(l)) ?? '';
  const clean = clip(line);
  return /^.{1,140}?[.!?](?=\s|$)/.exec(clean)?.[0] ?? clean;
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}
