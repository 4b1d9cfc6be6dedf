import type { OutgoingMessage } from '../vendor.ts';
import type { TagRule, TpnsAudience } from './audience.ts';
import { closeBody, expireSeconds, overridesOf } from './payload.ts';
import type { TpnsSettings } from './settings.ts';

/** All four access points lie in this zone, and no daylight saving moves it (likely that TPNS reads it so). */
const zoneMs = 8 * 3_600_000;

/**
 * Body of one call to an audience, as it is signed and sent.
 * @param uploadId  of a package
 * @param now       milliseconds since the epoch
 */
export function audienceBody(
  audience: TpnsAudience,
  uploadId: number | undefined,
  message: OutgoingMessage,
  settings: TpnsSettings,
  now: number,
): string {
  const head = { ...targetsOf(audience, uploadId, message, settings), ...optionsOf(audience, now) };
  const from = Math.max(now, sendTimeOf(audience) ?? now);
  return closeBody(
    { ...head, expire_time: expireSeconds(message.expiresAt, from, settings) },
    message,
    settings,
  );
}

/** When TPNS is asked to send it. Milliseconds since the epoch. */
export function sendTimeOf(audience: TpnsAudience): number | undefined {
  return 'sendTime' in audience && audience.sendTime !== undefined
    ? Date.parse(audience.sendTime)
    : undefined;
}

function targetsOf(
  audience: TpnsAudience,
  uploadId: number | undefined,
  message: OutgoingMessage,
  settings: TpnsSettings,
): Record<string, unknown> {
  const pushType = overridesOf(message).account_push_type ?? settings.accountPushType;
  switch (audience.kind) {
    case 'all':
      return { audience_type: 'all' };
    case 'tag':
      return 'rules' in audience
        ? { audience_type: 'tag', tag_rules: audience.rules.map(ruleOf) }
        : { audience_type: 'tag', tag_list: { tags: audience.tags, op: audience.operator } };
    case 'accounts':
      return {
        audience_type: 'account_list',
        account_list: audience.accounts,
        account_type: audience.accountType ?? settings.accountType,
        account_push_type: audience.accountPushType ?? pushType,
      };
    case 'package':
      return isOfTokens(audience)
        ? { audience_type: 'package_token_push', upload_id: uploadId }
        : {
            audience_type: 'package_account_push',
            upload_id: uploadId,
            account_push_type:
              ('accountPushType' in audience ? audience.accountPushType : undefined) ?? pushType,
          };
    default:
      return audience satisfies never;
  }
}

function isOfTokens(audience: Extract<TpnsAudience, { kind: 'package' }>): boolean {
  return 'tokens' in audience || ('of' in audience && audience.of === 'tokens');
}

function ruleOf(rule: TagRule): Record<string, unknown> {
  return {
    tag_items: rule.tagItems.map((item) => ({
      tags: item.tags,
      is_not: item.isNot ?? false,
      tags_operator: item.tagsOperator ?? 'OR',
      items_operator: item.itemsOperator ?? 'OR',
      tag_type: item.tagType ?? 'xg_user_define',
    })),
    operator: rule.operator ?? 'OR',
    is_not: rule.isNot ?? false,
  };
}

function optionsOf(audience: TpnsAudience, now: number): Record<string, unknown> {
  if (audience.kind === 'accounts') return {};
  const { loop, pushSpeed, collapseId, sendTime } = audience;
  // A moment that has passed means now, and more than ten minutes in the past would be refused.
  const at = sendTime === undefined ? now : Date.parse(sendTime);
  return {
    send_time: at > now ? localTime(at) : undefined,
    loop_param: loop && {
      startDate: loop.startDate,
      endDate: loop.endDate,
      loopType: { day: 1, week: 2, month: 3 }[loop.every],
      loopDayIndexs: loop.days ?? [0],
      dayTimes: loop.times,
    },
    push_speed: pushSpeed,
    collapse_id: collapseId,
  };
}

/** `yyyy-MM-dd HH:mm:ss` as the access point's clock on the wall shows it. */
function localTime(at: number): string {
  return new Date(at + zoneMs).toISOString().slice(0, 19).replace('T', ' ');
}
