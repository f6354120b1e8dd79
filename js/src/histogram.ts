/** How many voxels have which value, and what lies above a level. */
import type { Shown } from './layers';

/** Mean density of protein, in dalton per cubic Å, by which a volume is told as a mass. */
export const DALTON_PER_CUBIC_ANGSTROM = 0.81;

export function countBytes(data: Uint8Array): Float64Array {
  const counts = new Uint32Array(256);
  for (let i = 0; i < data.length; i++) counts[data[i]]++;
  return Float64Array.from(counts);
}

/** Voxels above a level of the byte scale, each byte's voxels spread evenly over its range. */
export function voxelsAbove(counts: Float64Array, byteLevel: number): number {
  let sum = 0;
  for (let byte = 255; byte >= 0; byte--) {
    const share = Math.min(Math.max(byte + 0.5 - byteLevel, 0), 1);
    if (share === 0) break;
    sum += share * counts[byte];
  }
  return sum;
}

/** Mass in kDa of protein that would fill as many of the display's voxels. */
export function massKda(voxels: number, shown: Shown, voxelSize: number): number {
  return (voxels * (voxelSize * shown.scale) ** 3 * DALTON_PER_CUBIC_ANGSTROM) / 1000;
}
