/** The studio's pointer tools: brush, eraser sphere and picker of regions, with one set of keys. */
import { type Sphere, rounded } from './brush';
import type { Vec3, Volume } from './geometry';
import { clamp } from './geometry';
import { regionColour } from './palette';
import type { Stage } from './stage';
import type { Strokes } from './stroke';
import type { Theme } from './theme';
import { rgb } from './theme';
import { Tint, rgbaWord } from './tint';
import type { Ball, Overlay, PointerAt, PointerTool } from './tools';

export const TOOLS = ['look', 'paint', 'remove', 'eraser', 'regions'] as const;
export type ToolName = (typeof TOOLS)[number];

export const SMALLEST_RADIUS = 0.5;

export interface Place {
  voxel: number[];
  direction: number[] | null;
}

/** What the tools read, and what they ask for. */
export interface Studio {
  readonly stage: Stage;
  tool: ToolName;
  radius: number;
  gated: boolean;
  readonly hasMask: boolean;
  /** The mask as it is shown, and a number that grows with its changes. */
  mask(): { volume: Volume; version: number } | null;
  preview(): { volume: Volume; version: number } | null;
  /** Ranks of regions, 0 for none. */
  ranks(): { volume: Volume; version: number } | null;
  chosen: Set<number>;
  hidden: Set<number>;
  setTool(tool: ToolName): void;
  setRadius(radius: number): void;
  setGated(gated: boolean): void;
  undo(): void;
  redo(): void;
  pickRegions(places: Place[], split: boolean): void;
  eraserMoved(): void;
  say(words: string): void;
}

export class StudioTool implements PointerTool {
  private readonly maskTint = new Tint();
  private readonly regionTint = new Tint();
  private hovered: PointerAt | null = null;
  private hoveredRank = 0;
  private places: Place[] = [];
  /** The eraser's sphere. */
  eraser: Vec3 | null = null;
  showTint = true;

  constructor(private readonly studio: Studio, private readonly strokes: Strokes) {}

  get eraserSphere(): Sphere | null {
    return this.eraser && [...rounded(this.eraser), this.studio.radius];
  }

  cursor(at: PointerAt | null): string {
    const { tool } = this.studio;
    if (tool === 'look' || !at?.voxel) return at?.view === '3d' ? 'grab' : 'crosshair';
    return tool === 'regions' ? 'pointer' : tool === 'eraser' ? 'move' : 'none';
  }

  press(at: PointerAt): boolean {
    const { tool, radius, gated, stage } = this.studio;
    const { event } = at;
    if (!at.voxel || event.ctrlKey || event.metaKey || tool === 'look') return false;
    if (tool === 'eraser') {
      this.moveEraser(at.voxel);
      return true;
    }
    if (tool === 'regions') {
      // In the surface picture a drag turns; with Shift it goes over regions.
      if (at.view === '3d' && !event.shiftKey) return false;
      this.places = [placeOf(at)];
      return true;
    }
    if (event.altKey) return false;
    const remove = (tool === 'remove') !== event.shiftKey;
    if (remove && !this.studio.hasMask) {
      this.studio.say('There is no mask yet to paint out of: paint first, or threshold the map.');
      return true;
    }
    const level = gated && stage.first?.volume ? stage.first.style.level : null;
    this.strokes.begin([...at.voxel], radius, remove, level);
    this.hovered = at;
    return true;
  }

  drag(at: PointerAt): void {
    this.hovered = at;
    if (!at.voxel) return;
    const { tool } = this.studio;
    if (tool === 'eraser') this.moveEraser(at.voxel);
    else if (tool === 'regions') {
      const last = this.places[this.places.length - 1];
      if (last && Math.hypot(...last.voxel.map((value, axis) => value - at.voxel![axis])) >= 1) this.places.push(placeOf(at));
    } else this.strokes.extend([...at.voxel], this.studio.radius);
  }

  release(at: PointerAt, cancelled: boolean): void {
    const { places } = this;
    this.places = [];
    if (this.strokes.isOpen) {
      if (cancelled) this.strokes.cancel();
      else this.strokes.end();
    } else if (places.length && !cancelled) this.studio.pickRegions(places, at.event.altKey);
    this.studio.stage.layers.length && this.studio.eraserMoved();
  }

  /** A click on the surface that turned nothing. */
  clicked(at: PointerAt): boolean {
    if (this.studio.tool !== 'regions') return false;
    this.studio.pickRegions([placeOf(at)], at.event.altKey);
    return true;
  }

  hover(at: PointerAt | null): void {
    this.hovered = at;
    const ranks = this.studio.tool === 'regions' && at?.voxel && at.view !== '3d' ? this.studio.ranks() : null;
    this.hoveredRank = ranks ? byteAt(ranks.volume, at!.voxel!) : 0;
    if (this.studio.tool !== 'look') this.studio.eraserMoved();
  }

  wheel(_at: PointerAt | null, notches: number, event: WheelEvent): boolean {
    if (!event.shiftKey || this.studio.tool === 'look' || this.studio.tool === 'regions') return false;
    this.resize(-notches);
    return true;
  }

  key(event: KeyboardEvent): boolean {
    const { studio } = this;
    const key = event.key.toLowerCase();
    if ((event.ctrlKey || event.metaKey) && (key === 'z' || key === 'y')) {
      if (key === 'y' || event.shiftKey) studio.redo();
      else studio.undo();
      return true;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    if (key === '[' || key === ']') this.resize(key === ']' ? 1 : -1);
    else if (key === 'i') studio.setGated(!studio.gated);
    else if (/^[1-5]$/.test(key)) studio.setTool(TOOLS[Number(key) - 1]);
    else return false;
    return true;
  }

  paint(overlay: Overlay): void {
    const { plane, theme, context } = overlay;
    const { studio } = this;
    if (plane) {
      const at = studio.stage.cursor[plane.normal];
      const ranks = studio.ranks();
      if (ranks && studio.tool === 'regions') {
        const marks = [[...studio.chosen].join(), [...studio.hidden].join(), this.hoveredRank].join('|');
        this.regionTint.paint(overlay, ranks.volume, plane, at, `${ranks.version} ${marks}`, () => this.regionTable());
      }
      const preview = studio.preview();
      const mask = this.showTint && !(preview && studio.tool === 'regions') ? (preview ?? studio.mask()) : null;
      if (mask) {
        const colour = rgb(preview ? theme.swing : theme.mask).map(value => Math.round(255 * value));
        this.maskTint.paint(overlay, mask.volume, plane, at, `${mask.version} ${theme.dark} ${preview !== null}`, () =>
          Uint32Array.from({ length: 256 }, (_, byte) => rgbaWord(colour, (byte / 255) * 0.3)));
      }
    }
    const { tool, radius } = studio;
    if (tool === 'eraser' && this.eraser) this.circle(overlay, this.eraser, radius, theme.fulcrum, context);
    const brush = tool === 'paint' || tool === 'remove';
    const at = this.hovered;
    if (brush && at?.voxel && (plane || at.view === '3d')) {
      this.circle(overlay, at.voxel, radius, tool === 'remove' ? theme.fulcrum : theme.mask, context);
    }
  }

  balls(theme: Theme): Ball[] {
    const { tool, radius } = this.studio;
    const balls: Ball[] = [];
    if (tool === 'eraser' && this.eraser) balls.push({ centre: this.eraser, radius, colour: theme.fulcrum, opacity: 0.35 });
    if ((tool === 'paint' || tool === 'remove') && this.hovered?.voxel) {
      balls.push({ centre: this.hovered.voxel, radius, colour: tool === 'remove' ? theme.fulcrum : theme.mask, opacity: 0.35 });
    }
    return balls;
  }

  private moveEraser(place: Vec3): void {
    this.eraser = [...place];
    this.studio.eraserMoved();
  }

  private resize(by: number): void {
    let { radius } = this.studio;
    for (let left = Math.abs(by); left > 0; left--) radius += Math.sign(by) * (radius < 4 ? 0.5 : radius < 12 ? 1 : 2);
    this.studio.setRadius(radius);
  }

  private regionTable(): Uint32Array {
    const { chosen, hidden } = this.studio;
    return Uint32Array.from({ length: 256 }, (_, rank) => {
      if (!rank || hidden.has(rank)) return 0;
      const opacity = (chosen.has(rank) ? 0.75 : 0.38) + (rank === this.hoveredRank ? 0.2 : 0);
      return rgbaWord(regionColour(rank), opacity);
    });
  }

  /** Where the slice cuts the sphere; dashed where it only comes near. */
  private circle(overlay: Overlay, centre: Vec3, radius: number, colour: string, context: CanvasRenderingContext2D): void {
    const [x, y, depth] = overlay.project(centre);
    if (!overlay.plane) return; // a ball in the surface picture
    const across = Math.sqrt(Math.max(0, radius * radius - depth * depth));
    if (!across) return;
    context.setLineDash(Math.abs(depth) < 0.75 ? [] : [4, 3]);
    for (const [width, stroke] of [[3.5, overlay.theme.halo], [1.5, colour]] as const) {
      context.beginPath();
      context.arc(x, y, across * overlay.pixelsPerVoxel, 0, 2 * Math.PI);
      context.lineWidth = width;
      context.strokeStyle = stroke;
      context.stroke();
    }
    context.setLineDash([]);
  }
}

function placeOf(at: PointerAt): Place {
  return { voxel: rounded(at.voxel!), direction: at.ray ? [...at.ray.direction] : null };
}

function byteAt(volume: Volume, voxel: Vec3): number {
  const index = voxel.map((value, axis) => Math.round((value - volume.offset[axis]) / volume.scale));
  if (index.some((value, axis) => value < 0 || value >= volume.shape[axis])) return 0;
  return volume.data[index[0] + volume.shape[0] * (index[1] + volume.shape[1] * index[2])];
}

export function radiusWithin(radius: number, largest: number): number {
  return clamp(Math.round(radius * 2) / 2, SMALLEST_RADIUS, largest);
}
