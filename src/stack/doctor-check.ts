/** One line of the report. `ok` with a remedy is a warning. */
export interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
  readonly remedy?: string;
}

/** Our own errors already end with their remedy. */
export function failed(name: string, error: unknown): Check {
  return { name, ok: false, detail: error instanceof Error ? error.message : String(error) };
}
