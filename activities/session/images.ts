/** Bytes of the images that a context refers to, for models that look at them. */
import type { SessionKey } from '../../src/contracts/ids.js';
import type { TranscriptMessage } from '../../src/contracts/message.js';
import { incremental } from '../../src/llm/incremental.js';
import type { Artifacts } from '../../src/store/stores.js';

/** Images of more than this many artifacts are named, not shown: each costs about 800 tokens. */
const MAX_IMAGES = 8;

/** Data URLs by artifact id, of the newest images; nothing when no message has an image. */
export async function loadImages(
  artifacts: Artifacts,
  key: SessionKey,
  messages: readonly TranscriptMessage[],
): Promise<ReadonlyMap<string, string> | undefined> {
  const ids = imagesIn(messages).slice(-MAX_IMAGES);
  if (ids.length === 0) return undefined;
  const loaded = await Promise.all(ids.map((id) => artifacts.get(key, id)));
  return new Map(
    loaded.map(({ id, mediaType, content }) => [
      id,
      `data:${mediaType};base64,${content.toString('base64')}`,
    ]),
  );
}

/** Artifacts of the images in tools' results, oldest first. */
const imagesIn = incremental<TranscriptMessage, readonly string[]>((before = [], since) => {
  const fresh = since.flatMap((message) =>
    message.role === 'tool'
      ? message.content.flatMap((part) => (part.type === 'image' ? [part.artifact] : []))
      : [],
  );
  return fresh.length === 0 ? before : before.concat(fresh);
});
