/** Postgres has no NUL in its texts; what others send us may. */
export function toText<Text extends string | null>(text: Text): Text {
  return (text?.includes('\0') ? text.replaceAll('\0', '\ufffd') : text) as Text;
}
