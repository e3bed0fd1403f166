/** Joins the lines of a message. */
export function oneLine(text: string): string {
  return text
    .trim()
    .replace(/\s*\n\s*/g, '; ')
    .replaceAll(':;', ':');
}

/** Prints names and values in two columns. */
export function printFields(fields: readonly (readonly [string, string])[]): void {
  const width = Math.max(...fields.map(([name]) => name.length)) + 2;
  for (const [name, value] of fields) console.log(name.padEnd(width) + value);
}
