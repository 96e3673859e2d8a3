/** The log of a process: JSON lines on standard error, so that standard output is the product's. */
import { pino } from 'pino';
import type { ToolLogger } from '../contracts/tool.js';

export function createLogger(level: 'debug' | 'info' | 'warn' | 'error'): ToolLogger {
  return pino({ level, base: { pid: process.pid } }, pino.destination({ dest: 2, sync: false }));
}
