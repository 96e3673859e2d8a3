/** The tools over a workspace, which an agent gets that lists them by name. */
import type { Tool } from '../../contracts/tool.js';
import { dataTool } from './data-tool.js';
import { fileTools } from './file-tools.js';
import { Workspace } from './workspace.js';

/** Tools over the files below `folder`; each tenant has a folder of its own. */
export function workspaceTools(folder: string): readonly Tool[] {
  const workspaceOf = (tenant: string) => new Workspace(folder, tenant);
  return [...fileTools(workspaceOf), dataTool(workspaceOf)];
}
