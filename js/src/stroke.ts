/** Strokes on the mask's bytes: painted at once, sent at the end, kept until the kernel has them. */
import { type Box, type Gate, type Sphere, between, joined, rounded, stamp } from './brush';
import type { Vec3, Volume } from './geometry';

/** More would make a message of over 1 MB. */
const MOST_SPHERES = 4000;

export interface Stroke {
  stroke: number;
  spheres: Sphere[];
  remove: boolean;
  at_least: number | null;
}

export interface Canvas3D {
  /** The mask's bytes; null while they are not here. */
  mask(): Volume | null;
  /** Bytes that the density must reach, or null: everywhere. */
  gate(level: number | null): Gate | null;
  changed(box: Box): void;
  send(stroke: Stroke): void;
}

export class Strokes {
  private number = 0;
  private current: Stroke | null = null;
  private before: Uint8Array | null = null;
  private last: Vec3 = [0, 0, 0];
  private touched: Box | null = null;
  /** Sent, not yet answered. */
  readonly pending: Stroke[] = [];
  /** Milliseconds of the last stamping, for tests and benchmarks. */
  lastMs = 0;

  constructor(private readonly canvas: Canvas3D) {}

  get isOpen(): boolean {
    return this.current !== null;
  }

  begin(place: Vec3, radius: number, remove: boolean, atLeast: number | null): boolean {
    const mask = this.canvas.mask();
    if (!mask) return false;
    this.before = mask.data.slice();
    this.touched = null;
    this.current = { stroke: ++this.number, spheres: [], remove, at_least: atLeast };
    this.last = rounded(place);
    this.add([this.last], radius);
    return true;
  }

  extend(place: Vec3, radius: number): void {
    if (!this.current) return;
    const places = between(this.last, rounded(place), radius);
    if (!places.length) return;
    this.last = places[places.length - 1];
    this.add(places, radius);
    if (this.current.spheres.length >= MOST_SPHERES) {
      const { remove, at_least } = this.current;
      this.end();
      this.current = { stroke: ++this.number, spheres: [], remove, at_least };
      this.before = this.canvas.mask()!.data.slice();
    }
  }

  /** Send the stroke. */
  end(): void {
    const { current } = this;
    this.current = this.before = null;
    if (!current?.spheres.length) return;
    this.pending.push(current);
    this.canvas.send(current);
  }

  /** Take the stroke back before it was sent. */
  cancel(): void {
    const mask = this.canvas.mask();
    if (this.current && this.before && mask) {
      mask.data.set(this.before);
      if (this.touched) this.canvas.changed(this.touched);
    }
    this.current = this.before = null;
  }

  /** The kernel has answered a stroke: its bytes are in place. Those still under way are painted again. */
  answered(stroke: number | null): void {
    const place = this.pending.findIndex(waiting => waiting.stroke === stroke);
    if (place >= 0) this.pending.splice(0, place + 1);
    for (const waiting of this.pending) this.paint(waiting, waiting.spheres);
    if (this.current) {
      // What a cancelled stroke goes back to.
      this.before = this.canvas.mask()!.data.slice();
      this.paint(this.current, this.current.spheres);
    }
  }

  private add(places: Vec3[], radius: number): void {
    const began = performance.now();
    const spheres = places.map(place => [...place, radius] as Sphere);
    this.current!.spheres.push(...spheres);
    this.touched = joined(this.touched, this.paint(this.current!, spheres));
    this.lastMs = performance.now() - began;
  }

  private paint(stroke: Stroke, spheres: Sphere[]): Box | null {
    const mask = this.canvas.mask();
    if (!mask) return null;
    const gate = this.canvas.gate(stroke.at_least);
    let box: Box | null = null;
    for (const sphere of spheres) box = joined(box, stamp(mask, sphere, stroke.remove ? 0 : 255, gate));
    if (box) this.canvas.changed(box);
    return box;
  }
}
