const kSaid = new Set<string>();

/**
 * Emits a warning of the process, each message once.
 *
 * @param code `CONVLSTM_...`, by which programs tell warnings apart
 * @internal
 */
export function warnOnce(code: string, message: string): void {
  if (kSaid.has(message)) return;
  kSaid.add(message);
  process.emitWarning(message, { type: 'ConvLSTMWarning', code });
}
