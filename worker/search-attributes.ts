/**
 * Search attributes, only where the server has confirmed them: upserting one that is not
 * registered fails the workflow task for ever.
 */
import type { Connection } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import proto from '@temporalio/proto';
import { SEARCH_ATTRIBUTES } from '../src/contracts/activities.js';

// CommonJS: its names cannot be imported one by one.
const { IndexedValueType } = proto.temporal.api.enums.v1;
const NAMES = Object.values(SEARCH_ATTRIBUTES);

/** Whether the namespace has all of our search attributes. A server that cannot say has none. */
export async function hasSearchAttributes(
  connection: NativeConnection | Connection,
  namespace: string,
): Promise<boolean> {
  try {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({
      namespace,
    });
    return NAMES.every(
      (name) => customAttributes[name] === IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    );
  } catch {
    return false;
  }
}

/** Registers what is missing. Answers whether the namespace has all of them now. */
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
  return hasSearchAttributes(connection, namespace);
}
