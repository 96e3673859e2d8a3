/**
 * The workflow bundle: what runs in the sandbox. Built once by `npm run build`; made at the
 * start of a worker where that file is missing, or where an application adds workflows.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  bundleWorkflowCode,
  type BundleOptions,
  type WorkflowBundleOption,
} from '@temporalio/worker';

type WebpackConfiguration = Parameters<NonNullable<BundleOptions['webpackConfigHook']>>[0];

/** Beside the compiled code: `dist/workflow-bundle.js`. */
export const BUNDLE_PATH = fileURLToPath(new URL('../workflow-bundle.js', import.meta.url));

/** The entry of the sandbox, from which bundles are made. */
export const WORKFLOWS_PATH = sourceOf('../workflows/index');

/**
 * Modules that all workflows of a worker share: ours, which hold no state (ESLint sees to that). Each
 * workflow would else run them for itself, which is most of what an idle session costs in memory.
 * package.json lists them under `sideEffects`, or webpack would leave out what is only preloaded.
 */
export const SHARED_MODULES: readonly string[] = [WORKFLOWS_PATH];

/** What keeps sessions replayable around the SDK, in every bundle. */
export const INTERCEPTOR_MODULES: readonly string[] = [sourceOf('../workflows/early-jobs')];

/** How payloads become values in the sandbox; a bundle has it built in. */
const PAYLOAD_CONVERTER_PATH = sourceOf('../workflows/payload-converter');

/** The bundle of this build, or one made now (seconds). */
export async function workflowBundle(): Promise<WorkflowBundleOption> {
  if (existsSync(BUNDLE_PATH)) return { codePath: BUNDLE_PATH };
  return buildBundle();
}

/** The entry of this build, or of its sources where it is not built. */
export function workflowsEntry(): string {
  return WORKFLOWS_PATH;
}

export async function buildBundle(workflowsPath = workflowsEntry()): Promise<{ code: string }> {
  return bundleWorkflowCode({
    workflowsPath,
    payloadConverterPath: PAYLOAD_CONVERTER_PATH,
    webpackConfigHook: modernTypescript,
    preloadModules: [...SHARED_MODULES],
    workflowInterceptorModules: [...INTERCEPTOR_MODULES],
    logger: { log() {}, trace() {}, debug() {}, info() {}, warn() {}, error: console.error },
  });
}

/**
 * TypeScript as the oldest Node that we support runs it. The SDK's default, ES2017, makes a WeakMap of
 * each private field.
 */
function modernTypescript(config: WebpackConfiguration): WebpackConfiguration {
  for (const rule of config.module?.rules ?? []) {
    if (typeof rule !== 'object' || rule === null || typeof rule.use !== 'object') continue;
    const { options } = rule.use as { options?: { jsc?: { target?: string } } };
    if (options?.jsc) options.jsc.target = 'es2022';
  }
  return config;
}

/** The compiled module beside this one, or its source where nothing is compiled. */
function sourceOf(module: string): string {
  const compiled = fileURLToPath(new URL(`${module}.js`, import.meta.url));
  return existsSync(compiled) ? compiled : compiled.replace(/\.js$/, '.ts');
}
