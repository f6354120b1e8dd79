/** Tells files of other programs by their first bytes: a JavaScript source map is named .map, C# source .cs. */

const LOOK_AT = 512;
// Jupyter's server holds the whole of a file in memory to send its first bytes.
const LARGEST_LOOKED_INTO = 32 * 1024 * 1024;

/** What the file is instead of a map or a table of particles, in words; null when it may well be one. */
export function describeStranger(name: string, first: Uint8Array): string | null {
  if (!/\.(map|cs)$/i.test(name) || !isText(first)) return null;
  const text = new TextDecoder().decode(first).replace(/^\uFEFF/, '').trimStart();
  if (/\.cs$/i.test(name)) return 'text, such as the source of a C# program, and not a particle table of cryoSPARC';
  return text.startsWith('{') ? 'a JavaScript source map, and not a density map' : 'text, and not a density map';
}

/** A header of MRC or of cryoSPARC always has zero bytes; nx = 123 alone looks like a brace. */
function isText(bytes: Uint8Array): boolean {
  return bytes.length > 0 && !bytes.includes(0) && bytes[0] !== 0x93 && bytes[0] !== 0x94;
}

/** The first bytes of a file on the server; none of a file too large to be text of that kind. */
export async function readFirstBytes(url: string, size: number | undefined): Promise<Uint8Array> {
  if (size === undefined || size > LARGEST_LOOKED_INTO) return new Uint8Array();
  const answer = await fetch(url);
  if (!answer.ok || !answer.body) return new Uint8Array();
  const reader = answer.body.getReader();
  const { value } = await reader.read();
  void reader.cancel();
  return (value ?? new Uint8Array()).subarray(0, LOOK_AT);
}
