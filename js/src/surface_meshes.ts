/** The meshes of all layers: which one is shown now, and which one is wished for. */
import type { Ray } from './camera';
import type { Vec3 } from './geometry';
import type { Layer, Motion } from './layers';
import { type Made, Mesher } from './mesher';
import { type GpuMesh, type Mat4, type Renderer, placed } from './renderer';
import { apply, scaled, subtract, transpose } from './vectors';

/** A fine surface made in less is worth waiting for. */
const QUICK_MS = 80;
/** Boxes below this have no coarse surface. */
const SMALLEST_COARSE = 80;

/** The surface of one volume at one level, fine and (while things move) coarse. */
interface Kept {
  shape: Vec3; // of the data, whose voxels the meshes are in
  version: number; // of the data, asked for last
  wanted: number; // level asked for last
  fine: GpuMesh | null;
  fineLevel: number;
  fineVersion: number;
  coarse: GpuMesh | null;
  coarseLevel: number;
  fineMs: number;
}

/** What the meshes ask of the picture that they are for. */
interface Picture {
  /** Null while there is no drawing context. */
  renderer(): Renderer | null;
  /** Draw when the hand rests. */
  later(): void;
  /** A new mesh can be drawn. */
  made(id: string, made: Made): void;
  failed(words: string): void;
}

export class SurfaceMeshes {
  private readonly mesher = new Mesher();
  private readonly kept = new Map<string, Kept>();

  constructor(private readonly picture: Picture) {
    this.mesher.onFailure = words => picture.failed(words);
  }

  dispose(): void {
    this.mesher.dispose();
  }

  /** The drawing context went, and all meshes with it. */
  clear(): void {
    this.kept.clear();
  }

  setVolume({ volume, volumeId }: Layer): void {
    if (!volume) return;
    const kept = this.kept.get(volumeId);
    // In voxels of another size the old surface would stand elsewhere.
    if (kept && String(kept.shape) !== String(volume.shape)) this.free(volumeId, kept);
    this.mesher.setVolume(volumeId, volume.data, volume.shape);
  }

  setRegion(layer: Layer, low: Vec3, size: Vec3): void {
    const { data, shape } = layer.volume!;
    const part = new Uint8Array(size[0] * size[1] * size[2]);
    for (let z = 0, to = 0; z < size[2]; z++) {
      for (let y = 0; y < size[1]; y++, to += size[0]) {
        const from = low[0] + shape[0] * (low[1] + y + shape[1] * (low[2] + z));
        part.set(data.subarray(from, from + size[0]), to);
      }
    }
    this.mesher.setRegion(layer.volumeId, part, low, size);
  }

  /** Let the meshes of a layer go, unless one of `layers` shows the same volume. */
  forget(layer: Layer, layers: readonly Layer[]): void {
    const kept = this.kept.get(layer.volumeId);
    if (!kept || layers.some(other => other !== layer && other.volumeId === layer.volumeId)) return;
    this.free(layer.volumeId, kept);
    this.mesher.drop(layer.volumeId);
  }

  /** Whether the fine mesh is there, of the layer's data at its level. */
  isFine(layer: Layer): boolean {
    const kept = this.kept.get(layer.volumeId);
    return kept?.fineLevel === layer.byteLevel() && kept.fineVersion === layer.version;
  }

  /** The best mesh there is, and a wish for a better one; a coarse one while slow pictures move. */
  best(layer: Layer, isSlow: boolean, preferCoarse: boolean): { mesh: GpuMesh; binning: number } | null {
    const level = layer.byteLevel();
    let kept = this.kept.get(layer.volumeId);
    if (!kept) {
      kept = { shape: layer.volume!.shape, version: -1, wanted: NaN, fine: null, fineLevel: NaN, fineVersion: -1, coarse: null, coarseLevel: NaN, fineMs: NaN };
      this.kept.set(layer.volumeId, kept);
    }
    if (kept.wanted !== level || kept.version !== layer.version) {
      // On a slow machine slices follow a stroke or a preview at once, the surface when the hand rests.
      if (isSlow && kept.fine && kept.wanted === level) this.picture.later();
      else {
        [kept.wanted, kept.version] = [level, layer.version];
        this.wish(layer, kept, level);
      }
    }
    const hasCoarse = kept.coarse && kept.coarseLevel === level;
    if (kept.fine && kept.fineLevel === level && !(preferCoarse && hasCoarse)) return { mesh: kept.fine, binning: 1 };
    if (hasCoarse) return { mesh: kept.coarse!, binning: 2 };
    if (kept.fine) return { mesh: kept.fine, binning: 1 };
    return kept.coarse && { mesh: kept.coarse, binning: 2 };
  }

  private free(id: string, kept: Kept): void {
    for (const mesh of [kept.fine, kept.coarse]) if (mesh) this.picture.renderer()?.free(mesh);
    this.kept.delete(id);
  }

  private wish(layer: Layer, kept: Kept, level: number): void {
    const { volumeId: id, version } = layer;
    const take = (coarse: boolean) => (made: Made) => {
      const renderer = this.picture.renderer();
      if (!renderer || this.kept.get(id) !== kept) return;
      const old = coarse ? kept.coarse : kept.fine;
      if (old) renderer.free(old);
      const mesh = renderer.upload(made.mesh);
      if (coarse) [kept.coarse, kept.coarseLevel] = [mesh, made.level];
      else [kept.fine, kept.fineLevel, kept.fineVersion, kept.fineMs] = [mesh, made.level, version, made.milliseconds];
      this.picture.made(id, made);
    };
    const isLarge = Math.max(...layer.volume!.shape) >= SMALLEST_COARSE;
    // A coarse surface comes first where the fine one keeps waiting, else after it, for turning.
    const first = isLarge && !(kept.fineMs < QUICK_MS);
    if (first) this.mesher.make(id, level, true, take(true));
    this.mesher.make(id, level, false, made => {
      take(false)(made);
      if (isLarge && !first && this.kept.get(id) === kept && kept.wanted === made.level) this.mesher.make(id, level, true, take(true));
    });
  }
}

/** Where a layer's mesh stands: its own voxels, its binning, its motion. */
export function placeOf(layer: Layer, binning: number): Mat4 {
  const { scale, offset } = layer.volume!;
  // A voxel of the coarse mesh is the mean of two: its centre lies between theirs.
  const shift = (binning - 1) / 2;
  const still = placed(scale * binning, offset.map(value => value + scale * shift));
  if (!layer.motion) return still;
  const { turn, about } = layer.motion;
  const out = new Float32Array(16);
  for (let column = 0; column < 3; column++) {
    for (let row = 0; row < 3; row++) out[4 * column + row] = turn[3 * row + column] * scale * binning;
  }
  const corner = apply(turn, subtract([still[12], still[13], still[14]], about));
  out.set([corner[0] + about[0], corner[1] + about[1], corner[2] + about[2], 1], 12);
  return out;
}

/** The ray as the layer's own, unmoved volume sees it; distances are kept. */
export function movedRay(ray: Ray, motion: Motion): Ray {
  const back = transpose(motion.turn);
  const origin = apply(back, subtract(ray.origin, motion.about)).map((value, axis) => value + motion.about[axis]) as Vec3;
  return { origin, direction: scaled(apply(back, ray.direction), 1) };
}
