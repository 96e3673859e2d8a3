/**
 * How the offline model answers questions about files: with the tools of a filesystem MCP
 * server or those of the workspace, in the steps that a model would take, and from what they
 * really answered.
 *
 *     list_allowed_directories → list_directory → read_text_file … → answer
 *     list_files → read_file … → answer
 *
 * Pure, and without memory: which step is next follows from the results in the request.
 */
import type { ScriptedCall } from './scripted-response.js';
import { record } from './seen-request.js';
import type { SeenTool } from './seen-request.js';
import { fileReport, topicOf } from './offline-report.js';
import type { ListedFile } from './offline-report.js';
import { bareName, callId, pathOf, toolNamed } from './offline-turn.js';
import type { Done, Turn } from './offline-turn.js';

/** Files read in one step; what a folder has beyond them is only named. */
const MAX_READS = 4;

const ABOUT_FILES =
  /\b(?:files?|folders?|director(?:y|ies)|documents?|docs|readme|notes?)\b|\b[\w-]+\.(?:md|txt|json|ya?ml|csv|ts|js|log|html)\b/i;
/** Wants more than names. */
const WANTS_CONTENT =
  /\b(?:read|summar|largest|longest|biggest|smallest|shortest|words?|lines?|content|say|says|about|inside|explain|compare|tell|describe|open|show me)\b|summar/i;
/** What a listing looks like, an empty one too. */
const LISTING = /^(?:\[(?:FILE|DIR)\]|\s*$)|\t\d+$|^There are no such files\.$/m;
const UNREADABLE = /\.(?:png|jpe?g|gif|webp|pdf|zip|gz|tar|ico|woff2?|mp[34]|exe|so|db|sqlite)$/i;

/** The next calls, the final text, or nothing when the question is not about files. */
export function fileStep(turn: Turn): { calls: ScriptedCall[] } | { text: string } | undefined {
  if (!ABOUT_FILES.test(turn.question)) return undefined;
  const roots = turn.done.filter(is('list_allowed_directories'));
  const listings = turn.done.filter(
    is('list_directory', 'list_directory_with_sizes', 'list_files'),
  );
  const reads = turn.done.filter(is('read_text_file', 'read_file'));

  if (reads.length > 0) {
    const report = fileReport(turn.question, filesOf(listings), reads.map(withoutNumbers));
    return recordStep(turn, report) ?? { text: report };
  }
  if (listings.length > 0) {
    const failed = listings.find(({ result }) => !LISTING.test(result));
    if (failed !== undefined) return { text: `I could not list the folder: ${failed.result}` };
    const read = toolNamed(turn, 'read_text_file', 'read_file');
    const chosen = read === undefined ? [] : choose(turn.question, filesOf(listings));
    if (read === undefined || chosen.length === 0) {
      return { text: fileReport(turn.question, filesOf(listings), []) };
    }
    return { calls: chosen.map((path, i) => callWithPath(turn, read, path, i)) };
  }
  const lister = toolNamed(turn, 'list_directory', 'list_files');
  if (lister === undefined) return undefined;
  if (bareName(lister.name) === 'list_files') {
    return { calls: [{ id: callId(turn, 0), name: lister.name, arguments: {} }] };
  }
  if (roots.length > 0) {
    const folders = roots.flatMap(({ result }) => foldersIn(result)).slice(0, MAX_READS);
    if (folders.length === 0) {
      return { text: `I may not look into any folder; the tool said: ${roots[0]!.result}` };
    }
    return { calls: folders.map((path, i) => callWithPath(turn, lister, path, i)) };
  }
  const allowed = toolNamed(turn, 'list_allowed_directories');
  return {
    calls: [
      allowed === undefined
        ? callWithPath(turn, lister, '.', 0)
        : { id: callId(turn, 0), name: allowed.name, arguments: {} },
    ],
  };
}

/**
 * Agents are often told to file what they found ("… with record_finding"): a tool of that
 * kind, named in the instructions, is called once before the answer.
 */
function recordStep(turn: Turn, report: string): { calls: ScriptedCall[] } | undefined {
  const tool = turn.tools.find(({ name }) => /^(?:record|save|file)_/.test(bareName(name)));
  if (!tool || !turn.request.system.includes(tool.name)) return undefined;
  if (turn.done.some(({ call }) => call.name === tool.name)) return undefined;
  const [key = 'text'] = Object.keys(record(tool.parameters.properties));
  const finding = report.split('\n').slice(0, 3).join(' ').slice(0, 300);
  return { calls: [{ id: callId(turn, 0), name: tool.name, arguments: { [key]: finding } }] };
}

/** "1: first line\n2: second line", as the workspace's tool answers. */
function withoutNumbers({ call, result }: Done): Done {
  const lines = result.split('\n');
  const numbered = bareName(call.name) === 'read_file' && /^\d+: /.test(lines[0] ?? '');
  if (!numbered) return { call, result };
  return { call, result: lines.map((line) => line.replace(/^\d+: /, '')).join('\n') };
}

function is(...names: readonly string[]): (done: Done) => boolean {
  return ({ call }) => names.includes(bareName(call.name));
}

function callWithPath(turn: Turn, tool: SeenTool, path: string, index: number): ScriptedCall {
  const properties = Object.keys(record(tool.parameters.properties));
  const key = properties.includes('path') ? 'path' : (properties[0] ?? 'path');
  return { id: callId(turn, index), name: tool.name, arguments: { [key]: path } };
}

/** "Allowed directories:\n/a\n/b" */
function foldersIn(result: string): string[] {
  return result.split('\n').filter((line) => /^(?:\/|[A-Za-z]:\\)/.test(line.trim()));
}

/** "[FILE] a.md\n[DIR] b" of each listed folder, or "notes/a.md\t120" of a workspace. */
function filesOf(listings: readonly Done[]): ListedFile[] {
  return listings.flatMap(({ call, result }) => {
    if (bareName(call.name) === 'list_files') {
      return [...result.matchAll(/^(.+)\t\d+$/gm)].map(([, path]) => ({
        path: path!,
        name: path!,
        folder: false,
      }));
    }
    const base = pathOf(call.arguments);
    return [...result.matchAll(/^\[(FILE|DIR)\] (.+?)\s*$/gm)].map(([, kind, name]) => ({
      path: base === '' || base === '.' ? name! : `${base.replace(/[/\\]$/, '')}/${name!}`,
      name: name!,
      folder: kind === 'DIR',
    }));
  });
}

/** Which files to read: those that the question names first; none when only names are wanted. */
function choose(question: string, listed: readonly ListedFile[]): string[] {
  const asked = question.toLowerCase();
  const files = listed.filter((f) => !f.folder && !UNREADABLE.test(f.name));
  const named = files.filter((f) => {
    const stem = f.name.toLowerCase().replace(/\.[^.]+$/, '');
    return asked.includes(f.name.toLowerCase()) || (stem.length > 2 && asked.includes(stem));
  });
  const wanted = WANTS_CONTENT.test(question) || topicOf(question) !== undefined;
  if (named.length === 0 && !wanted) return [];
  const some = named.length > 0 && !/\b(?:all|every|each|files)\b/i.test(question) ? named : files;
  return [...new Set([...named, ...some])].slice(0, MAX_READS).map((f) => f.path);
}
