/** The part of `perdura doctor` that looks for a Temporal server. Starts none. */
import type { Settings } from '../config/environment.js';
import type { Check } from './doctor-check.js';
import { isTestServerInstalled } from './java-test-server-install.js';
import { findExecutable, findJavaTools } from './java-tools.js';
import { knownDownload } from './temporal-download.js';
import { askTemporal, readTemporalProfile } from '../config/temporal-profile.js';

/** Which server would be used, and what to know about it. Throws when there is none. */
export async function checkTemporal(settings: Settings): Promise<Check[]> {
  const profile = readTemporalProfile(settings);
  if (!profile || settings.temporalKind) return checkLocal(settings);

  const { version } = await askTemporal(profile, 5_000);
  const { address, namespace, authenticated } = profile;
  const checks: Check[] = [
    {
      name: 'Temporal',
      ok: true,
      detail: `${version || 'a server'} at ${address}, namespace ${namespace}`,
    },
  ];
  // It answered a client without a key or a certificate.
  if (!authenticated) {
    checks.push({
      name: 'Temporal access',
      ok: true,
      detail: `${address} accepts clients without a key or certificate: anyone who can reach it can read and change every agent`,
      remedy:
        'Without an authorizer, a Temporal server accepts every client, and namespaces isolate nothing. Keep it on a private network, or configure mTLS or an authorizer.',
    });
  }
  return checks;
}

async function checkLocal(settings: Settings): Promise<Check[]> {
  const name = 'Temporal';
  const kind = settings.temporalKind;
  if (kind === undefined || kind === 'cli') {
    const cli = await findExecutable('temporal', settings.searchPath);
    if (cli)
      return [{ name, ok: true, detail: `would start ${cli} (state in ${settings.dataDir})` }];
    if (kind) {
      const remedy = 'Install it (https://docs.temporal.io/cli), or unset PERDURA_TEMPORAL.';
      return [{ name, ok: false, detail: '`temporal` is not on the PATH', remedy }];
    }
  }
  const download = kind === 'java-test-server' ? undefined : await knownDownload(settings);
  if (download && 'path' in download) {
    return [{ name, ok: true, detail: `would start ${download.path} (downloaded)` }];
  }
  if (kind === 'download' || (kind === undefined && !download)) {
    const after = kind ? '' : ", or else start Temporal's Java test server";
    const first: Check = { name, ok: true, detail: `would download the Temporal CLI${after}` };
    // Without Java the download may still work: no failure yet.
    const second = checkJava(settings).catch((error: Error): Check => ({
      ...first,
      name: 'Java test server',
      detail: error.message,
    }));
    return kind ? [first] : [first, await second];
  }
  return [await checkJava(settings)];
}

async function checkJava(settings: Settings): Promise<Check> {
  const name = 'Java test server';
  const tools = await findJavaTools(settings.searchPath);
  const installed = await isTestServerInstalled(settings);
  const ok = installed || tools.maven !== undefined;
  const remedy = ok
    ? 'It keeps workflows in memory only. To keep them, install the Temporal CLI (https://docs.temporal.io/cli).'
    : 'Install Maven (Debian: apt install maven; macOS: brew install maven), or the Temporal CLI.';
  const state = installed ? 'fetched' : ok ? 'would be fetched by Maven' : 'Maven is missing';
  return { name, ok, detail: `Java ${tools.javaVersion}, test server: ${state}`, remedy };
}
