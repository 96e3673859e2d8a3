/** `POST /v1/embeddings`, as OpenAI has it: of the scripted model and of the offline one. */
import type { ServerResponse } from 'node:http';
import { textEmbedding } from './text-embedding.js';

/** A request for embeddings, as the server has seen it. */
export interface SeenEmbedding {
  readonly model: string;
  readonly texts: readonly string[];
  readonly dimensions?: number;
}

/** What to do with it. */
export type EmbeddingPlan =
  | 'answer'
  /** Never answers. */
  | 'hang'
  | { readonly status: number; readonly message?: string }
  | { readonly vectors: readonly (readonly number[])[] };

type Answer = (request: SeenEmbedding) => EmbeddingPlan | Promise<EmbeddingPlan>;

/** Never rejects. */
export async function serveEmbeddings(
  body: Buffer,
  res: ServerResponse,
  plan: Answer = () => 'answer',
): Promise<void> {
  const send = (status: number, answer: unknown) => {
    res.writeHead(status, { 'content-type': 'application/json' });
    res.end(JSON.stringify(answer));
  };
  try {
    const { model, input, dimensions, encoding_format } = JSON.parse(body.toString()) as {
      model?: string;
      input?: string | string[];
      dimensions?: number;
      encoding_format?: string;
    };
    const texts = typeof input === 'string' ? [input] : input;
    if (typeof model !== 'string' || !Array.isArray(texts) || texts.length === 0) {
      return send(400, { error: { message: 'model and input are required' } });
    }
    const request = { model, texts, ...(dimensions === undefined ? {} : { dimensions }) };
    const planned = await plan(request);
    if (planned === 'hang' || res.destroyed) return;
    if (typeof planned === 'object' && 'status' in planned) {
      return send(planned.status, { error: { message: planned.message ?? 'scripted failure' } });
    }
    const vectors =
      planned === 'answer' ? texts.map((text) => textEmbedding(text, dimensions)) : planned.vectors;
    const coded = (vector: readonly number[]) =>
      encoding_format === 'base64'
        ? Buffer.from(new Float32Array(vector).buffer).toString('base64')
        : vector;
    const tokens = texts.reduce((sum, text) => sum + Math.ceil(text.length / 4), 0);
    send(200, {
      object: 'list',
      model,
      data: vectors.map((vector, index) => ({
        object: 'embedding',
        index,
        embedding: coded(vector),
      })),
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    });
  } catch (error) {
    if (res.headersSent) return void res.destroy();
    send(500, { error: { message: `scripted model: ${String(error)}` } });
  }
}
