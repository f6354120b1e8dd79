/** Surfaces made in a worker of their own, so that the page never waits; the latest wish wins. */
import type { Vec3 } from './geometry';
import { type Mesh, type Ranges, blockRanges, halved, surfaceNets } from './surface_nets';

export interface Made {
  mesh: Mesh;
  level: number;
  /** Voxels of the volume along an edge of one of the mesh's: 1, or 2 for the quick surface. */
  binning: number;
  milliseconds: number;
}

interface Request {
  kind: 'volume' | 'region' | 'mesh' | 'drop';
  id: string;
  data?: Uint8Array;
  shape?: Vec3;
  low?: Vec3;
  size?: Vec3;
  level?: number;
  coarse?: boolean;
  ticket?: number;
}

interface Answer {
  id: string;
  ticket: number;
  level: number;
  binning: number;
  milliseconds: number;
  mesh: Mesh;
}

type Reply = (answer: Answer, transfer: ArrayBufferLike[]) => void;

/** What the worker does with a request; written so that its text is a whole program. */
function serve(ranges: typeof blockRanges, halve: typeof halved, nets: typeof surfaceNets): (request: Request, reply: Reply) => void {
  type Kept = { data: Uint8Array; shape: Vec3; ranges: Ranges | null };
  const volumes = new Map<string, [Kept, Kept | null]>();
  return (request, reply) => {
    const { kind, id } = request;
    if (kind === 'volume') volumes.set(id, [{ data: request.data!, shape: request.shape!, ranges: null }, null]);
    else if (kind === 'drop') volumes.delete(id);
    const kept = volumes.get(id);
    if (!kept) {
      const nothing = { positions: new Float32Array(0), normals: new Float32Array(0), indices: new Uint32Array(0) };
      if (kind === 'mesh') reply({ id, ticket: request.ticket!, level: request.level!, binning: 1, milliseconds: 0, mesh: nothing }, []);
    } else if (kind === 'region') {
      const [low, size, [nx, ny]] = [request.low!, request.size!, kept[0].shape];
      for (let z = 0, from = 0; z < size[2]; z++) {
        for (let y = 0; y < size[1]; y++, from += size[0]) {
          kept[0].data.set(request.data!.subarray(from, from + size[0]), low[0] + nx * (low[1] + y + ny * (low[2] + z)));
        }
      }
      kept[0].ranges = kept[1] = null;
    } else if (kind === 'mesh') {
      const began = performance.now();
      const binning = request.coarse ? 2 : 1;
      if (request.coarse) kept[1] ||= { ...halve(kept[0].data, kept[0].shape), ranges: null };
      const volume = request.coarse ? kept[1]! : kept[0];
      volume.ranges ||= ranges(volume.data, volume.shape);
      const mesh = nets(volume.data, volume.shape, volume.ranges, request.level!);
      const milliseconds = performance.now() - began;
      const answer = { id, ticket: request.ticket!, level: request.level!, binning, milliseconds, mesh };
      reply(answer, [mesh.positions.buffer, mesh.normals.buffer, mesh.indices.buffer]);
    }
  };
}

/** The worker's program: the text of the functions above and of those that it is given. */
export function workerProgram(): string {
  return (
    `const work = (${serve})(${blockRanges}, ${halved}, ${surfaceNets});` +
    'onmessage = event => work(event.data, (answer, transfer) => postMessage(answer, transfer));'
  );
}

export class Mesher {
  private worker: Worker | null = null;
  private readonly here = serve(blockRanges, halved, surfaceNets);
  private readonly waiting = new Map<string, { request: Request; done: (made: Made) => void }>();
  private running: { ticket: number; done: (made: Made) => void } | null = null;
  private tickets = 0;
  /** Called with words when no surface will come. */
  onFailure: (words: string) => void = () => {};

  constructor() {
    try {
      const url = URL.createObjectURL(new Blob([workerProgram()], { type: 'text/javascript' }));
      this.worker = new Worker(url);
      URL.revokeObjectURL(url);
      this.worker.onmessage = (event: MessageEvent<Answer>) => this.onAnswer(event.data);
      this.worker.onerror = event => this.onFailure(`The surface could not be made: ${event.message || 'its worker failed'}`);
    } catch {
      // A page that forbids workers still gets its surface, only less smoothly.
      this.worker = null;
    }
  }

  /** Give or replace a volume; the data are copied. */
  setVolume(id: string, data: Uint8Array, shape: Vec3): void {
    this.post({ kind: 'volume', id, data: data.slice(), shape });
  }

  /** Replace a box of a volume: `size` voxels from `low`, x fastest. */
  setRegion(id: string, data: Uint8Array, low: Vec3, size: Vec3): void {
    this.post({ kind: 'region', id, data, low, size });
  }

  drop(id: string): void {
    this.waiting.delete(`${id} fine`);
    this.waiting.delete(`${id} coarse`);
    this.post({ kind: 'drop', id });
  }

  /** Make the surface at a level (0 to 255); a wish not begun yet gives way to a newer one. */
  make(id: string, level: number, coarse: boolean, done: (made: Made) => void): void {
    const request: Request = { kind: 'mesh', id, level, coarse, ticket: ++this.tickets };
    this.waiting.set(`${id} ${coarse ? 'coarse' : 'fine'}`, { request, done });
    this.next();
  }

  /** Take back a wish for a fine surface that has not been begun. */
  forgetFine(id: string): void {
    this.waiting.delete(`${id} fine`);
  }

  dispose(): void {
    this.worker?.terminate();
    this.waiting.clear();
    this.running = null;
  }

  private next(): void {
    if (this.running) return;
    // Quick surfaces first: they are what a hand on a slider waits for.
    const key = [...this.waiting.keys()].sort((a, b) => +a.endsWith('fine') - +b.endsWith('fine'))[0];
    if (key === undefined) return;
    const { request, done } = this.waiting.get(key)!;
    this.waiting.delete(key);
    this.running = { ticket: request.ticket!, done };
    this.post(request);
  }

  private post(request: Request): void {
    if (this.worker) this.worker.postMessage(request, request.data ? [request.data.buffer as ArrayBuffer] : []);
    else this.here(request, answer => setTimeout(() => this.onAnswer(answer), 0));
  }

  private onAnswer(answer: Answer): void {
    const running = this.running;
    if (!running || running.ticket !== answer.ticket) return;
    this.running = null;
    const { mesh, level, binning, milliseconds } = answer;
    running.done({ mesh, level, binning, milliseconds });
    this.next();
  }
}
