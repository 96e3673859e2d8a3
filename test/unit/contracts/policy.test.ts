import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../../src/contracts/agent.js';
import {
  DEFAULT_POLICY,
  mayDelegate,
  mergePolicies,
  needsApproval,
  policyOf,
  stepBound,
} from '../../../src/contracts/policy.js';

const own = (name: string, highRisk = false) => ({ name, highRisk, source: { kind: 'code' } });
const remote = (name: string, server: string) => ({
  name,
  highRisk: false,
  source: { kind: 'mcp', server },
});

describe('policy: which tools need approval', () => {
  it.each<[string, object, Parameters<typeof needsApproval>[1], boolean]>([
    ['an ordinary tool', {}, own('add'), false],
    ['code_run', {}, own('code_run'), true],
    ['shell_exec', {}, own('shell_exec'), true],
    ['file_write', {}, own('file_write'), true],
    ['a name that only begins so', {}, own('file_write_log'), false],
    ['of an MCP server', {}, remote('files__file_write', 'files'), true],
    ['a code tool with a server-like name', {}, own('files__file_write'), false],
    ['a tool that says so itself', {}, own('pay', true), true],
    ['none by name', { highRiskTools: [] }, own('file_write'), false],
    ['none by name, but itself', { highRiskTools: [] }, own('pay', true), true],
    ['approved in advance', { preapprovedTools: ['pay'] }, own('pay', true), false],
    ['approved by name', { preapprovedTools: ['file_write'] }, own('file_write'), false],
    ['all of a server', { highRiskTools: ['bank__*'] }, remote('bank__pay', 'bank'), true],
    ['all', { highRiskTools: ['*'] }, own('add'), true],
  ])('%s', (_, policy, tool, expected) => {
    expect(needsApproval(policyOf({ policy }), tool)).toBe(expected);
  });
});

describe('policy: the rest', () => {
  it('nothing declared → nothing in the agent, and the defaults', () => {
    expect(mergePolicies(undefined, undefined)).toBeUndefined();
    expect(mergePolicies({ maxDepth: undefined }, {})).toBeUndefined();
    expect(policyOf({})).toEqual(DEFAULT_POLICY);
    expect(DEFAULT_POLICY).toMatchObject({ maxIterations: 10, maxReplanAttempts: 3 });
  });

  it('declared for all and for one → the own field counts, the others stay', () => {
    expect(mergePolicies({ maxDepth: 2, maxHops: 3 }, { maxDepth: 1 })).toEqual({
      maxDepth: 1,
      maxHops: 3,
    });
  });

  it('maxIterations → bounds the steps only where it is stated', () => {
    const limits = { ...DEFAULT_LIMITS, maxSteps: 20 };
    expect(stepBound({ limits })).toBe(20);
    expect(stepBound({ limits, policy: { maxIterations: 4 } })).toBe(4);
    expect(stepBound({ limits, policy: { maxIterations: 50 } })).toBe(20);
  });

  it('delegation → to all, to none, to those named', () => {
    expect(mayDelegate(policyOf({}), 'writer')).toBe(true);
    expect(mayDelegate(policyOf({ policy: { delegation: false } }), 'writer')).toBe(false);
    const some = policyOf({ policy: { delegation: ['writer', 'team-*'] } });
    expect(['writer', 'team-a', 'analyst'].map((name) => mayDelegate(some, name))).toEqual([
      true,
      true,
      false,
    ]);
  });
});
