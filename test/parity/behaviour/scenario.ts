/** Recorded scenarios of an upstream cluster: what to do, and what was seen. The format is explained in README.md. */
import { readFileSync } from 'node:fs';
import type { KubeObject } from '../../../src/api/meta.ts';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

export interface Condition {
  on?: string;
  at?: string;
  is?: Json;
  min?: number;
  has?: Json;
  absent?: boolean;
  condition?: string;
  reason?: string;
  gone?: boolean;
  count?: string;
  n?: number;
  event?: string;
  text?: string;
  times?: number;
}

export interface Step {
  /** Nothing but to wait when absent. */
  do?: 'create' | 'patch' | 'delete' | 'post' | 'wait';
  object?: KubeObject;
  of?: string;
  body?: Json;
  type?: 'json' | 'merge' | 'strategic-merge';
  options?: JsonObject;
  /** Milliseconds before the step. */
  pause?: number;
  until?: Condition | Condition[];
  /** Seconds. */
  timeout?: number;
  answer?: boolean;
}

export interface ExpectedEvent {
  type: string;
  reason: string;
  message: string;
  component?: string;
  fieldPath?: string;
  count: number;
  atLeast?: boolean;
}

export interface Scenario {
  id: string;
  area: string;
  objects: KubeObject[];
  steps: Step[];
  cleanup?: Step[];
  serial?: boolean;
  watch: string[];
  racy?: string[];
  expect: {
    transitions?: Record<string, { n: number; states: JsonObject[]; racy?: boolean }[]>;
    events?: Record<string, { n: number; list: ExpectedEvent[]; unordered?: boolean; racy?: boolean }[]>;
    final?: Record<string, { n: number; object: JsonObject }[]>;
    answers?: { status: number; reason?: string; message?: string; details?: JsonObject }[];
  };
}

export function loadScenarios(areas?: readonly string[]): Scenario[] {
  const text = readFileSync(new URL('../data/behaviour.jsonl', import.meta.url), 'utf8');
  const all = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Scenario);
  return areas ? all.filter((scenario) => areas.includes(scenario.area)) : all;
}
