/** Bytes of the images that a context refers to, for models that look at them. */
import type { SessionKey } from '../src/contracts/ids.js';
import type { TranscriptMessage } from '../src/contracts/message.js';
import type { ArtifactStore } from '../src/store/blob-stores.js';

/** Images of more than this many artifacts are named, not shown: each costs about 800 tokens. */
const MAX_IMAGES = 8;

/** Data URLs by artifact id, the newest first; nothing when no message has an image. */
export async function loadImages(
  artifacts: ArtifactStore,
  key: SessionKey,
  messages: readonly TranscriptMessage[],
): Promise<ReadonlyMap<string, string> | undefined> {
  const ids: string[] = [];
  for (let i = messages.length - 1; i >= 0 && ids.length < MAX_IMAGES; i--) {
    const message = messages[i]!;
    if (message.role !== 'tool') continue;
    for (const part of message.content) if (part.type === 'image') ids.push(part.artifact);
  }
  if (ids.length === 0) return undefined;
  const loaded = await Promise.all(ids.slice(0, MAX_IMAGES).map((id) => artifacts.get(key, id)));
  return new Map(
    loaded.map(({ id, mediaType, content }) => [
      id,
      `data:${mediaType};base64,${content.toString('base64')}`,
    ]),
  );
}
