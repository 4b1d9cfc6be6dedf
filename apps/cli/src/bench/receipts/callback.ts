/** A callback as the vendor sends it; the signature in the query stands on the bytes of the body. */
export interface Callback {
  /** `sign=…`, percent-encoded. */
  query: string;
  body: Buffer;
}
