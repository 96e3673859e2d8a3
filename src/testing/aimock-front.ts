/**
 * aimock, as a server whose every answer is decided in this process, and can be cut, held or
 * watched at an exact place. aimock stays the server and speaks the protocols; this wraps
 * its request listener. For tests and for the offline model only.
 *
 * Each request becomes a one-shot fixture, tied to it by aimock's own context header: so
 * latency and size of the pieces, which aimock has by fixture, may differ by answer.
 */
import { Readable } from 'node:stream';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from '@copilotkit/aimock';
import type { Fixture, FixtureResponse } from '@copilotkit/aimock';
import { serveEmbeddings } from './embedding-route.js';
import type { EmbeddingPlan, SeenEmbedding } from './embedding-route.js';
import { readRequest } from './seen-request.js';
import type { Json, SeenRequest } from './seen-request.js';
import { shapeStream } from './stream-shaper.js';
import type { StreamShape } from './stream-shaper.js';

/** What to do with a request. */
export type Plan =
  | ({
      readonly do: 'answer';
      readonly response: FixtureResponse;
      /** Before each piece, ms. */
      readonly chunkDelayMs?: number | undefined;
      /** Before the first piece, ms. */
      readonly firstDelayMs?: number | undefined;
      /** Characters of a piece. */
      readonly chunkSize?: number | undefined;
    } & StreamShape)
  /** Never answers. */
  | { readonly do: 'hang' }
  | {
      readonly do: 'status';
      readonly status: number;
      readonly headers: Readonly<Record<string, string>>;
      readonly body: unknown;
    };

export interface FrontOptions {
  /** 0, the default, takes a free one. */
  readonly port?: number | undefined;
  readonly plan: (request: SeenRequest) => Plan | Promise<Plan>;
  /** What is done with a request for embeddings. Default: its texts have the vectors of `textEmbedding`. */
  readonly embeddings?: (request: SeenEmbedding) => EmbeddingPlan | Promise<EmbeddingPlan>;
  /** The client closed the connection before the answer was finished. */
  readonly onClosedEarly?: (request: SeenRequest) => void;
}

export interface AimockFront {
  /** With `/v1`, as `OPENAI_BASE_URL` wants it. */
  readonly baseUrl: string;
  /** Connections that clients have opened so far. */
  connections(): number;
  /** Closes every connection, also those that hang. */
  stop(): Promise<void>;
}

export async function startAimockFront(options: FrontOptions): Promise<AimockFront> {
  const fixtures: Fixture[] = [];
  const { server, url } = await createServer(fixtures, {
    port: options.port ?? 0,
    host: '127.0.0.1',
    // Its journal holds every body; `SeenRequest`s are kept by whoever wants them.
    journalMaxEntries: 1,
  });
  const [aimock] = server.listeners('request') as ((
    req: IncomingMessage,
    res: ServerResponse,
  ) => void)[];
  if (aimock === undefined) throw new Error('aimock has no request listener any more.');
  server.removeAllListeners('request');
  let count = 0;
  let connections = 0;
  server.on('connection', () => connections++);

  const serve = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const raw = await bodyOf(req);
    const body = JSON.parse(raw.toString()) as Json;
    const seen = readRequest(pathOf(req), body, req.headers, Date.now());
    res.once('close', () => {
      if (!res.writableFinished && !cutByUs.has(res)) options.onClosedEarly?.(seen);
    });
    const plan = await options.plan(seen);
    if (plan.do === 'hang' || res.destroyed) return;
    if (plan.do === 'status') {
      res.writeHead(plan.status, { 'content-type': 'application/json', ...plan.headers });
      res.end(typeof plan.body === 'string' ? plan.body : JSON.stringify(plan.body));
      return;
    }
    const context = `front-${++count}`;
    const fixture: Fixture = {
      match: { context, endpoint: 'chat' },
      response: plan.response,
      latency: plan.chunkDelayMs ?? 0,
      ...(plan.chunkSize === undefined ? {} : { chunkSize: plan.chunkSize }),
      ...(plan.firstDelayMs === undefined ? {} : { streamingProfile: { ttft: plan.firstDelayMs } }),
    };
    fixtures.push(fixture);
    shapeStream(res, plan, () => cutByUs.add(res));
    res.once('close', () => {
      fixtures.splice(fixtures.indexOf(fixture), 1);
      // aimock writes on to a connection that is gone, piece by piece, unless it has ended.
      res.end();
    });
    aimock(replay(req, raw, context), res);
  };

  const { embeddings } = options;
  server.on('request', (req: IncomingMessage, res: ServerResponse) => {
    if (req.method === 'POST' && pathOf(req).endsWith('/embeddings')) {
      void bodyOf(req).then((body) => serveEmbeddings(body, res, embeddings));
      return;
    }
    if (req.method !== 'POST' || !/\/(?:chat\/completions|responses)$/.test(pathOf(req))) {
      aimock(req, res);
      return;
    }
    serve(req, res).catch((error: unknown) => {
      if (res.headersSent) return void res.destroy();
      res.writeHead(500, { 'content-type': 'application/json' });
      res.end(JSON.stringify({ error: { message: `scripted model: ${String(error)}` } }));
    });
  });

  return {
    baseUrl: `${url}/v1`,
    connections: () => connections,
    stop: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        server.closeAllConnections();
      }),
  };
}

/** Answers that a plan cut: their connections were not closed by the client. */
const cutByUs = new WeakSet<ServerResponse>();

function pathOf(req: IncomingMessage): string {
  return (req.url ?? '/').split('?')[0]!;
}

async function bodyOf(req: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** The request once more, since its body has been read. */
function replay(req: IncomingMessage, raw: Buffer, context: string): IncomingMessage {
  return Object.assign(Readable.from([raw]), {
    method: req.method,
    url: req.url,
    httpVersion: req.httpVersion,
    socket: req.socket,
    headers: { ...req.headers, 'x-aimock-context': context },
  }) as unknown as IncomingMessage;
}
