/** Messages to the kernel. */
import type { AnyModel } from '@anywidget/types';

/**
 * Send a message to the kernel's half of a widget; false where there is none any more.
 *
 * A comm throws when it has been closed, which a restart of the kernel does before anybody is told.
 */
export function post<State extends object>(model: AnyModel<State>, content: object): boolean {
  try {
    model.send(content);
    return true;
  } catch {
    return false;
  }
}
