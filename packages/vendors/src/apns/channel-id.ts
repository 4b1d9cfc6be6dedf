import { Type } from 'typebox';

/** APNs makes it: base64, of a length that it does not promise. */
export const channelIdSchema = Type.String({
  pattern: '^[A-Za-z0-9+/_-]{1,400}={0,2}$',
  description: 'Id of a broadcast channel, as APNs gave it.',
});
