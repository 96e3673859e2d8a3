/** `analyze_data`: questions to a CSV or JSON file of the workspace, answered with numbers. */
import { z } from 'zod';
import { tool } from '../../contracts/define-tool.js';
import type { Tool } from '../../contracts/tool.js';
import { clip } from '../../contracts/text.js';
import { textOf, type WorkspaceOf } from './file-tools.js';
import { compare, measure, passes, readTable, type Cell, type Row, type Table } from './table.js';
import { failed } from './workspace.js';

const CELL_UNITS = 80;

const parameters = z.object({
  path: z.string().max(1_000).describe('A .csv, .tsv, .json or .jsonl file of the workspace'),
  where: z
    .array(
      z.object({
        column: z.string(),
        is: z.enum(['=', '!=', '<', '<=', '>', '>=', 'contains']),
        value: z.union([z.string(), z.number()]),
      }),
    )
    .max(20)
    .default([])
    .describe('Only rows that pass all of these'),
  groupBy: z
    .array(z.string())
    .max(5)
    .default([])
    .describe('One line for each value of these columns'),
  measures: z
    .array(
      z.object({
        column: z.string(),
        measure: z.enum(['count', 'sum', 'mean', 'median', 'min', 'max', 'distinct']),
      }),
    )
    .max(20)
    .default([])
    .describe('Default: a description of every column'),
  sortBy: z.string().optional().describe('A column of the result, such as "sum(price)"'),
  descending: z.boolean().default(true),
  limit: z.int().min(1).max(200).default(50).describe('Most lines of the result'),
});

type Question = z.output<typeof parameters>;

export function dataTool(workspaceOf: WorkspaceOf): Tool {
  return tool({
    name: 'analyze_data',
    description:
      'Describes the columns of a CSV or JSON file of the workspace, or counts, sums and compares its rows: filter with "where", group with "groupBy", measure with "measures". Without measures and groups it describes every column and shows the first rows.',
    effect: 'read',
    run: 'local',
    timeoutMs: 30_000,
    parameters,
    async execute(question, { tenant }) {
      const text = textOf(await workspaceOf(tenant).read(question.path), question.path);
      return answer(read(text, question.path), question);
    },
  });
}

function read(text: string, name: string): Table {
  try {
    return readTable(text, name);
  } catch (error) {
    if (error instanceof RangeError) throw failed(error.message);
    throw error;
  }
}

/** The answer as text, with a table of tab-separated lines. Throws `Tool.Failed` for an unknown column. */
export function answer({ columns, rows }: Table, question: Question): string {
  const { where, groupBy, measures, limit } = question;
  for (const name of [...where, ...measures].map(({ column }) => column).concat(groupBy)) {
    if (columns.includes(name)) continue;
    throw failed(`There is no column "${clip(name, 100)}"; there are: ${columns.join(', ')}.`);
  }
  const fitting = rows.filter((row) =>
    where.every(({ column, is, value }) => passes(row[column], is, value)),
  );
  const counted = `${fitting.length} of ${rows.length} rows.`;
  if (measures.length === 0 && groupBy.length === 0) {
    return [counted, '', ...describe(columns, fitting), '', ...firstRows(columns, fitting)].join(
      '\n',
    );
  }
  const asked =
    measures.length > 0 ? measures : [{ column: groupBy[0]!, measure: 'count' as const }];
  const names = asked.map(({ column, measure: kind }) => `${kind}(${column})`);
  const result = groups(fitting, groupBy).map(([values, members]) => [
    ...values,
    ...asked.map(({ column, measure: kind }) =>
      measure(
        kind,
        members.map((row) => row[column] ?? null),
      ),
    ),
  ]);
  const head = [...groupBy, ...names];
  sort(result, head, question);
  const shown = result.slice(0, limit).map(line);
  const rest = result.length - shown.length;
  return [
    counted,
    '',
    line(head),
    ...shown,
    ...(rest > 0 ? [`… and ${rest} lines more.`] : []),
  ].join('\n');
}

function sort(
  result: Cell[][],
  head: readonly string[],
  { sortBy, descending, groupBy }: Question,
): void {
  const by = sortBy === undefined ? groupBy.length : head.indexOf(sortBy);
  if (by === -1) {
    throw failed(
      `There is nothing to sort by "${clip(sortBy!, 100)}"; there are: ${head.join(', ')}.`,
    );
  }
  const sign = descending ? -1 : 1;
  result.sort((a, b) => sign * compare(a[by] ?? null, b[by] ?? null));
}

function groups(rows: readonly Row[], by: readonly string[]): [Cell[], Row[]][] {
  const found = new Map<string, [Cell[], Row[]]>();
  for (const row of rows) {
    const values = by.map((column) => row[column] ?? null);
    const key = JSON.stringify(values);
    const group = found.get(key);
    if (group) group[1].push(row);
    else found.set(key, [values, [row]]);
  }
  // Without groups there is one, also of no rows.
  return by.length === 0 ? [[[], [...rows]]] : [...found.values()];
}

function describe(columns: readonly string[], rows: readonly Row[]): string[] {
  const head = line([
    'column',
    'kind',
    'present',
    'distinct',
    'min',
    'median',
    'mean',
    'max',
    'sum',
  ]);
  return [
    head,
    ...columns.map((column) => {
      const cells = rows.map((row) => row[column] ?? null);
      const numeric = cells.every((cell) => cell === null || typeof cell === 'number');
      const of = (kind: Parameters<typeof measure>[0]) => measure(kind, cells);
      return line([
        column,
        numeric ? 'number' : 'text',
        of('count'),
        of('distinct'),
        of('min'),
        numeric ? of('median') : '',
        numeric ? of('mean') : '',
        of('max'),
        numeric ? of('sum') : '',
      ]);
    }),
  ];
}

function firstRows(columns: readonly string[], rows: readonly Row[]): string[] {
  return [
    line(columns),
    ...rows.slice(0, 5).map((row) => line(columns.map((column) => row[column] ?? null))),
  ];
}

function line(cells: readonly Cell[]): string {
  return cells
    .map((cell) => clip(String(cell ?? '').replace(/[\t\r\n]+/g, ' '), CELL_UNITS))
    .join('\t');
}
