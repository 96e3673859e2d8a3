/**
 * Search attributes, only where the server has confirmed them: upserting one that is not
 * registered fails the workflow task for ever.
 */
import { setTimeout } from 'node:timers/promises';
import type { Connection } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import proto from '@temporalio/proto';
import { SEARCH_ATTRIBUTES } from '../src/contracts/activities.js';

// CommonJS: its names cannot be imported one by one.
const { IndexedValueType } = proto.temporal.api.enums.v1;
const NAMES = Object.values(SEARCH_ATTRIBUTES);

/**
 * How long a server may go on without a search attribute that it has registered: the namespaces'
 * are read again every 2 s (`system.namespaceCacheRefreshInterval`), those of a whole cluster every
 * 60 s (`cacheRefreshInterval` of `common/searchattribute`), by each of its hosts for itself.
 */
const REFRESH_MS = 2_000;
const MOST_WAIT_MS = 65_000;
const LOOK_MS = 250;

/**
 * Whether the namespace has all of our search attributes, and the server uses them already. A
 * server that cannot say has none.
 */
export async function hasSearchAttributes(
  connection: NativeConnection | Connection,
  namespace: string,
): Promise<boolean> {
  try {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({
      namespace,
    });
    const registered = NAMES.every(
      (name) => customAttributes[name] === IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    );
    if (!registered) return false;
    // What is registered is listed at once, but known to the rest of the server later. A question
    // with a name that is not known is refused.
    const query = NAMES.map((name) => `${name} = 'none'`).join(' AND ');
    await connection.workflowService.countWorkflowExecutions({ namespace, query });
    return true;
  } catch {
    return false;
  }
}

/**
 * Registers what is missing, and waits until the server uses it: some seconds, or a minute where
 * its visibility store is Elasticsearch. Answers whether the namespace has all of them now.
 */
export async function registerSearchAttributes(
  connection: NativeConnection | Connection,
  namespace: string,
): Promise<boolean> {
  if (await hasSearchAttributes(connection, namespace)) return true;
  try {
    await connection.operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(
        NAMES.map((name) => [name, IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD]),
      ),
    });
  } catch {
    return false;
  }
  for (let waited = 0; !(await hasSearchAttributes(connection, namespace)); waited += LOOK_MS) {
    if (waited >= MOST_WAIT_MS) return false;
    await setTimeout(LOOK_MS);
  }
  // Its other hosts may read a moment later than the one that was asked.
  await setTimeout(REFRESH_MS);
  return true;
}
