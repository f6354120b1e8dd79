/** Draws surfaces and lines with WebGL2. One context; `dispose` gives it back at once. */
import type { Mesh } from './surface_nets';

export type RGB = [number, number, number];

/** Where a mesh stands: four columns of four, as WebGL wants them. */
export type Mat4 = Float32Array;

export interface Surface {
  mesh: GpuMesh;
  place: Mat4;
  colour: RGB;
  opacity: number;
}

export interface Lines {
  points: Float32Array; // pairs
  colour: RGB;
  opacity: number;
}

export interface GpuMesh {
  id: number;
  array: WebGLVertexArrayObject;
  buffers: WebGLBuffer[];
  count: number;
}

export interface Look {
  clip: Mat4; // clip coordinates from voxels
  turn: Float32Array; // the eye's axes from the map's, nine numbers column by column
  paper: RGB;
}

const SURFACE_VERTEX = `#version 300 es
in vec3 position; in vec3 normal;
uniform mat4 clip, place; uniform mat3 turn;
out vec3 facing; out float depth;
void main() {
  gl_Position = clip * (place * vec4(position, 1.));
  facing = turn * (mat3(place) * normal);
  depth = gl_Position.z;
}`;

// Light from the upper left behind the eye, a weak one from below, and paper's colour with depth.
const SURFACE_FRAGMENT = `#version 300 es
precision highp float;
in vec3 facing; in float depth;
uniform vec3 colour, paper; uniform float opacity;
out vec4 pixel;
void main() {
  vec3 n = normalize(facing);
  if (n.z < 0.) n = -n;
  vec3 light = normalize(vec3(-.4, .55, .75));
  float lit = .34 + .62 * max(dot(n, light), 0.) + .12 * max(dot(n, vec3(.6, -.7, .4)), 0.);
  float gloss = .16 * pow(max(dot(n, normalize(light + vec3(0., 0., 1.))), 0.), 28.);
  float rim = opacity < 1. ? .45 * pow(1. - n.z, 2.) : 0.;
  vec3 shade = mix(colour * lit + gloss, paper, .45 * smoothstep(-.35, .55, depth));
  pixel = vec4(shade, 1.) * min(1., opacity + rim * (1. - opacity));
}`;

const LINE_VERTEX = `#version 300 es
in vec3 position; uniform mat4 clip;
void main() { gl_Position = clip * vec4(position, 1.); }`;

const LINE_FRAGMENT = `#version 300 es
precision mediump float;
uniform vec3 colour; uniform float opacity; out vec4 pixel;
void main() { pixel = vec4(colour, 1.) * opacity; }`;

const SAMPLES = 4;

type Places = Record<string, WebGLUniformLocation | null>;

/** What `place` must be for a mesh on its own voxels: scale, then offset. */
export function placed(scale: number, offset: ArrayLike<number>): Mat4 {
  return Float32Array.of(scale, 0, 0, 0, 0, scale, 0, 0, 0, 0, scale, 0, offset[0], offset[1], offset[2], 1);
}

export class Renderer {
  private readonly gl: WebGL2RenderingContext;
  private readonly surface: { program: WebGLProgram; places: Places };
  private readonly line: { program: WebGLProgram; places: Places };
  private readonly lineArray: WebGLVertexArrayObject;
  private readonly lineBuffer: WebGLBuffer;
  private uploads = 0;
  private samples: { frame: WebGLFramebuffer; buffers: WebGLRenderbuffer[]; width: number; height: number } | null = null;

  /** Throws an error in words where the browser gives no WebGL2. */
  constructor(readonly canvas: HTMLCanvasElement) {
    const gl = canvas.getContext('webgl2', { antialias: false, powerPreference: 'high-performance' });
    if (!gl) throw new Error('This browser gives no WebGL2 picture, so the surface cannot be drawn; the slices work without it.');
    this.gl = gl;
    const attributes = { position: 0, normal: 1 };
    this.surface = this.build(SURFACE_VERTEX, SURFACE_FRAGMENT, attributes, ['clip', 'place', 'turn', 'colour', 'paper', 'opacity']);
    this.line = this.build(LINE_VERTEX, LINE_FRAGMENT, { position: 0 }, ['clip', 'colour', 'opacity']);
    this.lineArray = gl.createVertexArray()!;
    this.lineBuffer = gl.createBuffer()!;
    gl.bindVertexArray(this.lineArray);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.lineBuffer);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 3, gl.FLOAT, false, 0, 0);
    gl.bindVertexArray(null);
  }

  upload(mesh: Mesh): GpuMesh {
    const { gl } = this;
    const array = gl.createVertexArray()!;
    gl.bindVertexArray(array);
    const fill = (target: GLenum, data: ArrayBufferView): WebGLBuffer => {
      const buffer = gl.createBuffer()!;
      gl.bindBuffer(target, buffer);
      gl.bufferData(target, data, gl.STATIC_DRAW);
      return buffer;
    };
    const buffers = [mesh.positions, mesh.normals].map((data, index) => {
      const buffer = fill(gl.ARRAY_BUFFER, data);
      gl.enableVertexAttribArray(index);
      gl.vertexAttribPointer(index, 3, gl.FLOAT, false, 0, 0);
      return buffer;
    });
    buffers.push(fill(gl.ELEMENT_ARRAY_BUFFER, mesh.indices));
    gl.bindVertexArray(null);
    return { id: ++this.uploads, array, buffers, count: mesh.indices.length };
  }

  free(mesh: GpuMesh): void {
    this.gl.deleteVertexArray(mesh.array);
    for (const buffer of mesh.buffers) this.gl.deleteBuffer(buffer);
  }

  /**
   * Opaque surfaces, lines, then transparent surfaces in the order given, of each only what is nearest
   * to the eye. Transparent ones do not hide each other: a mask is seen in its map, and does not come
   * out in patches where the two surfaces touch. `isSmooth`: with smooth edges, which takes several times as long in software.
   */
  draw(look: Look, surfaces: Surface[], lines: Lines[], isSmooth: boolean): void {
    const { gl } = this;
    const { width, height } = this.canvas;
    if (isSmooth) this.useSamples(width, height);
    else gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    this.drawInto(look, surfaces, lines);
    if (!isSmooth || !this.samples) return;
    gl.bindFramebuffer(gl.READ_FRAMEBUFFER, this.samples.frame);
    gl.bindFramebuffer(gl.DRAW_FRAMEBUFFER, null);
    gl.blitFramebuffer(0, 0, width, height, 0, 0, width, height, gl.COLOR_BUFFER_BIT, gl.NEAREST);
    gl.invalidateFramebuffer(gl.READ_FRAMEBUFFER, [gl.COLOR_ATTACHMENT0, gl.DEPTH_ATTACHMENT]);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
  }

  private drawInto(look: Look, surfaces: Surface[], lines: Lines[]): void {
    const { gl } = this;
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(...look.paper, 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.enable(gl.DEPTH_TEST);
    gl.disable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    const { program, places } = this.surface;
    gl.useProgram(program);
    gl.uniformMatrix4fv(places.clip, false, look.clip);
    gl.uniformMatrix3fv(places.turn, false, look.turn);
    gl.uniform3fv(places.paper, look.paper);
    const opaque = surfaces.filter(surface => surface.opacity >= 1);
    for (const surface of opaque) this.drawSurface(surface);
    this.drawLines(look, lines);
    gl.useProgram(program);
    const clear = surfaces.filter(surface => surface.opacity < 1 && surface.opacity > 0);
    for (const [index, surface] of clear.entries()) {
      gl.disable(gl.BLEND);
      gl.colorMask(false, false, false, false);
      if (index > 0) {
        // The depth of the one before goes; what is opaque hides this one too.
        gl.clear(gl.DEPTH_BUFFER_BIT);
        for (const hiding of opaque) this.drawSurface(hiding);
      }
      this.drawSurface(surface);
      gl.colorMask(true, true, true, true);
      gl.enable(gl.BLEND);
      gl.depthFunc(gl.EQUAL);
      this.drawSurface(surface);
      gl.depthFunc(gl.LESS);
    }
    gl.bindVertexArray(null);
  }

  /** Call back with the milliseconds until what was asked for is drawn; the page does not wait. */
  timeDrawing(tell: (milliseconds: number) => void): void {
    const { gl } = this;
    const began = performance.now();
    const fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    gl.flush();
    const look = () => {
      if (!fence || gl.isContextLost()) return;
      if (gl.getSyncParameter(fence, gl.SYNC_STATUS) !== gl.SIGNALED) return void setTimeout(look, 4);
      gl.deleteSync(fence);
      tell(performance.now() - began);
    };
    setTimeout(look, 0);
  }

  /** Give the context back: the browser keeps only sixteen. */
  dispose(): void {
    this.gl.getExtension('WEBGL_lose_context')?.loseContext();
  }

  /** Draw into a picture of several samples a pixel, of the canvas' size. */
  private useSamples(width: number, height: number): void {
    const { gl } = this;
    if (this.samples?.width === width && this.samples.height === height) return gl.bindFramebuffer(gl.FRAMEBUFFER, this.samples.frame);
    if (this.samples) {
      gl.deleteFramebuffer(this.samples.frame);
      for (const buffer of this.samples.buffers) gl.deleteRenderbuffer(buffer);
    }
    const count = Math.min(SAMPLES, gl.getParameter(gl.MAX_SAMPLES));
    const frame = gl.createFramebuffer()!;
    gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
    const buffers = ([[gl.RGBA8, gl.COLOR_ATTACHMENT0], [gl.DEPTH_COMPONENT24, gl.DEPTH_ATTACHMENT]] as const).map(([format, place]) => {
      const buffer = gl.createRenderbuffer()!;
      gl.bindRenderbuffer(gl.RENDERBUFFER, buffer);
      gl.renderbufferStorageMultisample(gl.RENDERBUFFER, count, format, width, height);
      gl.framebufferRenderbuffer(gl.FRAMEBUFFER, place, gl.RENDERBUFFER, buffer);
      return buffer;
    });
    this.samples = { frame, buffers, width, height };
  }

  private drawSurface({ mesh, place, colour, opacity }: Surface): void {
    const { gl } = this;
    const { places } = this.surface;
    gl.uniformMatrix4fv(places.place, false, place);
    gl.uniform3fv(places.colour, colour);
    gl.uniform1f(places.opacity, opacity);
    gl.bindVertexArray(mesh.array);
    gl.drawElements(gl.TRIANGLES, mesh.count, gl.UNSIGNED_INT, 0);
  }

  private drawLines(look: Look, lines: Lines[]): void {
    const { gl } = this;
    const { program, places } = this.line;
    gl.useProgram(program);
    gl.uniformMatrix4fv(places.clip, false, look.clip);
    gl.enable(gl.BLEND);
    gl.bindVertexArray(this.lineArray);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.lineBuffer);
    for (const { points, colour, opacity } of lines) {
      gl.bufferData(gl.ARRAY_BUFFER, points, gl.DYNAMIC_DRAW);
      gl.uniform3fv(places.colour, colour);
      gl.uniform1f(places.opacity, opacity);
      gl.drawArrays(gl.LINES, 0, points.length / 3);
    }
    gl.disable(gl.BLEND);
  }

  private build(vertex: string, fragment: string, attributes: Record<string, number>, uniforms: string[]) {
    const { gl } = this;
    const program = gl.createProgram()!;
    for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]] as const) {
      const shader = gl.createShader(kind)!;
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost()) throw new Error(`The surface's drawing program was refused: ${gl.getShaderInfoLog(shader)}`);
    }
    for (const [name, index] of Object.entries(attributes)) gl.bindAttribLocation(program, index, name);
    gl.linkProgram(program);
    const places = Object.fromEntries(uniforms.map(name => [name, gl.getUniformLocation(program, name)]));
    return { program, places };
  }
}
