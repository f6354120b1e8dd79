/** The line where a slice passes a level, by marching squares with linear interpolation. */

/** Pairs of edges (0 bottom, 1 right, 2 top, 3 left) that the line joins, by which corners are above. */
const EDGES: ReadonlyArray<ReadonlyArray<readonly [number, number]>> = [
  [], [[3, 0]], [[0, 1]], [[3, 1]], [[1, 2]], [[3, 0], [1, 2]], [[0, 2]], [[3, 2]],
  [[2, 3]], [[2, 0]], [[0, 1], [2, 3]], [[2, 1]], [[1, 3]], [[1, 0]], [[0, 3]], [],
];

export interface Plate {
  data: Uint8Array;
  width: number;
  height: number;
}

/** Pieces of the line, four numbers each: u0, v0, u1, v1 in the plate's own voxels. */
export function outline(plate: Plate, level: number): number[] {
  const { data, width, height } = plate;
  const pieces: number[] = [];
  for (let v = 0; v + 1 < height; v++) {
    let [a, d] = [data[v * width], data[(v + 1) * width]];
    for (let u = 0; u + 1 < width; u++) {
      const b = data[v * width + u + 1];
      const c = data[(v + 1) * width + u + 1];
      const which = +(a > level) | (+(b > level) << 1) | (+(c > level) << 2) | (+(d > level) << 3);
      if (which !== 0 && which !== 15) {
        for (const [from, to] of EDGES[which]) {
          for (const edge of [from, to]) {
            if (edge === 0) pieces.push(u + (level - a) / (b - a), v);
            else if (edge === 1) pieces.push(u + 1, v + (level - b) / (c - b));
            else if (edge === 2) pieces.push(u + (level - d) / (c - d), v + 1);
            else pieces.push(u, v + (level - a) / (d - a));
          }
        }
      }
      [a, d] = [b, c];
    }
  }
  return pieces;
}

/** The pieces joined end to end: lists of u, v, u, v, … A closed line ends where it began. */
export function chained(pieces: readonly number[]): number[][] {
  const key = (at: number) => `${pieces[at].toFixed(4)} ${pieces[at + 1].toFixed(4)}`;
  const ends = new Map<string, number[]>();
  for (let at = 0; at < pieces.length; at += 2) {
    const meeting = ends.get(key(at));
    if (meeting) meeting.push(at);
    else ends.set(key(at), [at]);
  }
  const used = new Uint8Array(pieces.length / 4);
  /** From an end of a piece over to its other end and on, as far as unused pieces go. */
  const follow = (from: number): number[] => {
    const line: number[] = [];
    for (let end: number | undefined = from; end !== undefined; ) {
      used[end >> 2] = 1;
      const other: number = end ^ 2;
      line.push(pieces[other], pieces[other + 1]);
      end = ends.get(key(other))!.find(next => !used[next >> 2]);
    }
    return line;
  };
  const lines: number[][] = [];
  for (let at = 0; at < pieces.length; at += 4) {
    if (used[at >> 2]) continue;
    const forward = follow(at);
    const start = [pieces[at], pieces[at + 1]];
    const onward = ends.get(key(at))!.find(next => !used[next >> 2]);
    const backward = onward === undefined ? [] : follow(onward);
    const line: number[] = [];
    for (let i = backward.length - 2; i >= 0; i -= 2) line.push(backward[i], backward[i + 1]);
    lines.push([...line, ...start, ...forward]);
  }
  return lines;
}
