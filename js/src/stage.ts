/** What all pictures of a viewer share, and what they ask of it. */
import { type Grid, type Vec3, middle } from './geometry';
import type { Layer } from './layers';
import { type Theme, readTheme } from './theme';
import { LOOK, type PointerAt, type PointerTool } from './tools';

export class Stage {
  cursor: Vec3;
  layers: Layer[] = [];
  fulcrum: Vec3 | null = null;
  showFulcrum = true;
  /** Of the slices: 1 shows the whole box. */
  zoom = 1;
  centre: Vec3;
  theme: Theme = readTheme(document.body);
  tool: PointerTool = LOOK;

  constructor(readonly grid: Grid) {
    this.cursor = grid.shape.map(size => Math.floor(size / 2)) as Vec3;
    this.centre = middle(grid);
  }

  layer(id: string): Layer | undefined {
    return this.layers.find(layer => layer.id === id);
  }

  /** The first map: its grey values are the slices. */
  get first(): Layer | undefined {
    return this.layers[0];
  }
}

export interface Wishes {
  /** Put the meeting point of the slices at these voxels. */
  moveTo(voxel: Vec3): void;
  /** The pointer is over this place, or (null) over none. */
  pointAt(at: PointerAt | null): void;
  /** A click that no tool took met the surface here. */
  pick(at: PointerAt): void;
  /** Bring the slices to the fulcrum. */
  home(): void;
  /** Show more or less of the slices, about a voxel. */
  zoomTo(zoom: number, about?: Vec3): void;
  /** Shift what the slices show, in voxels. */
  panBy(voxels: Vec3): void;
  /** Draw everything anew in the next frame. */
  draw(): void;
}
