/**
 * One peer in a process of its own: `node peer.mjs langgraph|dbos`. Does a turn whenever the
 * bench asks, and says how long it took from the message to the answer, ms.
 */
const start = (await import(`./${process.argv[2]}.mjs`)).start;
const peer = await start({
  modelUrl: process.env.BENCH_MODEL_URL,
  databaseUrl: process.env.DATABASE_URL,
});

process.on('message', async ({ turn }) => {
  if (turn === undefined) {
    await peer.stop();
    process.exit(0);
  }
  const from = process.hrtime.bigint();
  const text = await peer.turn(turn);
  const ms = Number(process.hrtime.bigint() - from) / 1e6;
  process.send({ type: 'turn', ms, text });
});
process.on('disconnect', () => process.exit(0));
process.send({ type: 'ready' });
