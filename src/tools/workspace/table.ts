/** Tables from CSV, JSON and JSON lines, and what can be said of their columns. Pure. */

export type Cell = string | number | boolean | null;
export type Row = Readonly<Record<string, Cell>>;

export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
}

/** Reads a table by the ending of its file's name. Throws a `RangeError` that says what is wrong. */
export function readTable(text: string, name: string): Table {
  if (/\.jsonl$|\.ndjson$/i.test(name)) {
    const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '');
    return tableOf(lines.map((line, i) => parseJson(line, `line ${i + 1}`)));
  }
  if (/\.json$/i.test(name)) {
    const value = parseJson(text, 'the file');
    return tableOf(Array.isArray(value) ? value : [value]);
  }
  const separator = /\.tsv$/i.test(name) ? '\t' : separatorOf(text);
  const [head, ...body] = parseCsv(text, separator);
  if (!head) throw new RangeError('The file is empty.');
  const columns = head.map((column, i) => column.trim() || `column ${i + 1}`);
  const rows = body.map((cells) =>
    Object.fromEntries(columns.map((column, i) => [column, typed(cells[i] ?? '')])),
  );
  return { columns, rows };
}

/** RFC 4180: quotes, quotes within quotes, line breaks within quotes. */
export function parseCsv(text: string, separator = ','): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = '';
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (quoted) {
      if (c !== '"') cell += c;
      else if (text[i + 1] === '"') {
        cell += '"';
        i += 1;
      } else quoted = false;
    } else if (c === '"' && cell === '') quoted = true;
    else if (c === separator) {
      row.push(cell);
      cell = '';
    } else if (c === '\n' || c === '\r') {
      if (c === '\r' && text[i + 1] === '\n') i += 1;
      row.push(cell);
      cell = '';
      if (row.length > 1 || row[0] !== '') rows.push(row);
      row = [];
    } else cell += c;
  }
  if (cell !== '' || row.length > 0) rows.push([...row, cell]);
  return rows;
}

export type Operator = '=' | '!=' | '<' | '<=' | '>' | '>=' | 'contains';

/** Whether a cell passes. Numbers are compared as numbers, all else as text. */
export function passes(
  cell: Cell | undefined,
  operator: Operator,
  value: string | number,
): boolean {
  if (operator === 'contains') {
    return String(cell ?? '')
      .toLowerCase()
      .includes(String(value).toLowerCase());
  }
  const other = typeof cell === 'number' && Number.isFinite(Number(value)) ? Number(value) : value;
  const order = compare(cell ?? null, other);
  switch (operator) {
    case '=':
      return order === 0;
    case '!=':
      return order !== 0;
    case '<':
      return order < 0;
    case '<=':
      return order <= 0;
    case '>':
      return order > 0;
    case '>=':
      return order >= 0;
  }
}

export type Measure = 'count' | 'sum' | 'mean' | 'median' | 'min' | 'max' | 'distinct';

/** One number, or text for the least and greatest of texts; `null` where there is none. */
export function measure(kind: Measure, cells: readonly Cell[]): Cell {
  const present = cells.filter((cell) => cell !== null && cell !== '');
  if (kind === 'count') return present.length;
  if (kind === 'distinct') return new Set(present).size;
  if (kind === 'min' || kind === 'max') {
    const sorted = [...present].sort(compare);
    return (kind === 'min' ? sorted[0] : sorted.at(-1)) ?? null;
  }
  const numbers = present.filter((cell) => typeof cell === 'number');
  if (numbers.length === 0) return null;
  const sum = numbers.reduce((total, value) => total + value, 0);
  if (kind === 'sum') return tidy(sum);
  if (kind === 'mean') return tidy(sum / numbers.length);
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? sorted[middle]!
    : tidy((sorted[middle - 1]! + sorted[middle]!) / 2);
}

/** Nothing first, then numbers, then texts. */
export function compare(a: Cell, b: Cell): number {
  const rank = (cell: Cell) => (cell === null ? 0 : typeof cell === 'number' ? 1 : 2);
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return String(a) < String(b) ? -1 : String(a) > String(b) ? 1 : 0;
}

/** Without the noise of binary fractions. */
function tidy(value: number): number {
  return Number.isFinite(value) ? Number(value.toPrecision(12)) : value;
}

function typed(cell: string): Cell {
  const text = cell.trim();
  if (text === '') return null;
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : text;
}

function separatorOf(text: string): string {
  const line = text.slice(0, 10_000).split(/\r?\n/, 1)[0] ?? '';
  const count = (separator: string) => line.split(separator).length;
  return [',', ';', '\t'].reduce((best, each) => (count(each) > count(best) ? each : best));
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new RangeError(`${where} is not JSON: ${error instanceof Error ? error.message : ''}`, {
      cause: error,
    });
  }
}

function tableOf(values: readonly unknown[]): Table {
  const rows = values.map((value): Row => {
    const fields = typeof value === 'object' && value !== null ? value : { value };
    return Object.fromEntries(Object.entries(fields).map(([name, cell]) => [name, cellOf(cell)]));
  });
  return { columns: [...new Set(rows.flatMap((row) => Object.keys(row)))], rows };
}

function cellOf(value: unknown): Cell {
  if (value === null || value === undefined) return null;
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'string')
    return value;
  return JSON.stringify(value);
}
