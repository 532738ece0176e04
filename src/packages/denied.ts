/** Why somebody is not connected; the text is for whoever asked. */
export class Denied extends Error {
  override readonly name = 'Denied';
}
