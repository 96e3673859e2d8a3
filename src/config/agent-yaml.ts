/**
 * Agents from YAML text, each with the places of its parts. Reads no files; an agent from
 * YAML names tools and MCP servers, it never describes one.
 */
import { agentSchema } from './agent-schema.js';
import type { AgentDeclaration } from './define-config.js';
import { pathText, type Path, type Problem } from './problems.js';
import { problemsOf } from './schema-words.js';
import { parseYaml } from './yaml-guard.js';
import { offsetOf } from './yaml-places.js';

/** An agent, and where it was declared. */
export interface DeclaredAgent {
  readonly declaration: AgentDeclaration;
  /** The place of a part of the declaration, for messages: `file:line:column` or the like. */
  where(path: Path): string;
}

/**
 * All agents of a YAML text, one in each document. `file` is only for messages. Never throws:
 * what is wrong is in `problems`, each with line and column.
 */
export function parseAgentYaml(
  source: string,
  file: string,
): { agents: DeclaredAgent[]; problems: Problem[] } {
  const { documents, problems, at } = parseYaml(source, file);
  const found: Problem[] = [...problems];
  const agents: DeclaredAgent[] = [];
  for (const { document, value } of documents) {
    const result = agentSchema.safeParse(value);
    if (result.success) {
      const where = (path: Path) => at(offsetOf(document, path));
      agents.push({ declaration: result.data, where });
      continue;
    }
    for (const { path, text, key } of problemsOf(result.error)) {
      const subject = path.length === 0 ? '' : `${pathText(path)}: `;
      found.push({ where: at(offsetOf(document, path, key)), text: `${subject}${text}` });
    }
  }
  if (documents.length === 0 && found.length === 0) {
    found.push({
      where: `${file}:1:1`,
      text: 'the file declares no agent. Write at least a name and instructions.',
    });
  }
  return { agents, problems: found };
}
