/** Colours of regions by rank, the largest first: neighbours in rank differ in hue and lightness. */

/** `[red, green, blue]`, 0 to 255. */
export function regionColour(rank: number): [number, number, number] {
  // The golden angle never comes back to a hue; three lightnesses tell near hues apart.
  const hue = (25 + 137.508 * (rank - 1)) % 360;
  const light = [0.55, 0.72, 0.42][(rank - 1) % 3];
  const chroma = 0.62 * (1 - Math.abs(2 * light - 1)) + 0.08;
  const part = (n: number) => {
    const k = (n + hue / 30) % 12;
    return Math.round(255 * Math.min(Math.max(light - (chroma / 2) * Math.max(-1, Math.min(k - 3, 9 - k, 1)), 0), 1));
  };
  return [part(0), part(8), part(4)];
}

export function regionCss(rank: number): string {
  return `rgb(${regionColour(rank).join(',')})`;
}
