/** A message of several lines on one. */
export function oneLine(text: string): string {
  return text
    .trim()
    .replace(/\s*\n\s*/g, '; ')
    .replaceAll(':;', ':');
}

/** Lines of a name and what it is, the names in one column. */
export function printFields(fields: readonly (readonly [string, string])[]): void {
  const width = Math.max(...fields.map(([name]) => name.length)) + 2;
  for (const [name, value] of fields) console.log(name.padEnd(width) + value);
}
