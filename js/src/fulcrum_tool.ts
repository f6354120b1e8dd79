/** The pointer tool of the fulcrum: a press on a slice puts it there, its marker can be dragged. */
import type { Camera } from './camera';
import type { Vec3 } from './geometry';
import type { Stage } from './stage';
import type { Overlay, PointerAt, PointerTool } from './tools';
import { add, scaled } from './vectors';

const GRASP_PIXELS = 13;

export interface FulcrumWishes {
  /** Put the fulcrum here; how it was done, in words. `done`: the hand has let go. */
  place(voxel: Vec3, how: string, done: boolean): void;
  /** Draw what belongs to the fulcrum over a picture. */
  paint(overlay: Overlay): void;
}

export class FulcrumTool implements PointerTool {
  /** Off: only the marker can be moved, presses beside it look around. */
  isPlacing = true;
  private grasped: { last: PointerAt; start: Vec3; how: string } | null = null;

  constructor(private readonly stage: Stage, private readonly camera: Camera, private readonly screen: () => [number, number], private readonly wishes: FulcrumWishes) {}

  cursor(at: PointerAt | null): string {
    if (this.grasped) return 'grabbing';
    if (at && this.isOnMarker(at)) return 'grab';
    return at?.view === '3d' && !at.voxel ? 'move' : 'crosshair';
  }

  press(at: PointerAt): boolean {
    const { fulcrum } = this.stage;
    if (fulcrum && this.isOnMarker(at)) {
      this.grasped = { last: at, start: fulcrum, how: `dragged in the ${nameOf(at)}` };
      return true;
    }
    // On the surface a press may begin a turn: only a click there counts, see `Viewer`'s `picked`.
    if (!this.isPlacing || at.view === '3d' || !at.voxel) return false;
    this.grasped = { last: at, start: fulcrum ?? at.voxel, how: `clicked in the ${nameOf(at)}` };
    this.wishes.place(this.inside(at.voxel), this.grasped.how, false);
    return true;
  }

  drag(at: PointerAt): void {
    const { grasped } = this;
    if (!grasped || !this.stage.fulcrum) return;
    const [dx, dy] = [at.x - grasped.last.x, at.y - grasped.last.y];
    grasped.last = at;
    if (grasped.how.startsWith('clicked') && Math.hypot(dx, dy) > 2) grasped.how = grasped.how.replace('clicked', 'dragged');
    let voxel = this.stage.fulcrum;
    if (at.view === '3d') {
      const [width, height] = this.screen();
      // Shift moves it along the line of sight, as the third direction.
      const by = at.event.shiftKey
        ? scaled(this.camera.ray(0, 0, width, height).direction, -dy * this.camera.voxelsPerPixel(width, height))
        : this.camera.move(dx, dy, width, height);
      voxel = add(voxel, by);
    } else if (at.voxel) {
      const normal = { xy: 2, xz: 1, yz: 0 }[at.view];
      voxel = at.voxel.map((value, axis) => (axis === normal ? voxel[axis] : value)) as Vec3;
    }
    this.wishes.place(this.inside(voxel), grasped.how, false);
  }

  release(_at: PointerAt, cancelled: boolean): void {
    const { grasped } = this;
    this.grasped = null;
    if (!grasped) return;
    this.wishes.place(cancelled ? grasped.start : this.stage.fulcrum!, cancelled ? 'put back' : grasped.how, true);
  }

  key(event: KeyboardEvent): boolean {
    if (event.key !== 'f' || event.ctrlKey || event.metaKey || event.altKey) return false;
    this.wishes.place([...this.stage.cursor], 'put where the slices meet', true);
    return true;
  }

  paint(overlay: Overlay): void {
    this.wishes.paint(overlay);
  }

  private isOnMarker(at: PointerAt): boolean {
    const { fulcrum, showFulcrum } = this.stage;
    if (!fulcrum || !showFulcrum) return false;
    if (at.view === '3d') {
      const [x, y] = this.camera.project(fulcrum, ...this.screen());
      return Math.hypot(x - at.x, y - at.y) < GRASP_PIXELS;
    }
    const normal = { xy: 2, xz: 1, yz: 0 }[at.view];
    const away = at.voxel!.map((value, axis) => (axis === normal ? 0 : value - fulcrum[axis]));
    return Math.hypot(...away) * at.pixelsPerVoxel < GRASP_PIXELS;
  }

  /** Not beyond the outer faces of the box. */
  private inside(voxel: Vec3): Vec3 {
    return voxel.map((value, axis) => Math.min(Math.max(value, 0), this.stage.grid.shape[axis] - 1)) as Vec3;
  }
}

function nameOf(at: PointerAt): string {
  return at.view === '3d' ? 'surface picture' : `${at.view} slice`;
}
