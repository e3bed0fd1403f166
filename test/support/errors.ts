import { expect } from 'vitest';
import { ConvLSTMError, type ErrorCode } from '../../src/index.js';

/** Expects a ConvLSTMError with this code and all of `parts` in its message. */
export function expectError(action: () => unknown, code: ErrorCode, ...parts: string[]): void {
  let caught: unknown;
  try {
    action();
  } catch (error) {
    caught = error;
  }
  expect(caught).toBeInstanceOf(ConvLSTMError);
  expect(caught).toMatchObject({ code });
  for (const part of parts) expect((caught as Error).message).toContain(part);
}
