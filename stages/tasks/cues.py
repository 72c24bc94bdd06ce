"""The words by which people affirm or reject an option letter: patterns for the text left and right of the letter."""

import re

NOUN = (
    r"(?:answer|ans\.?|option|choice|solution|response|selection|pick|letter|antwort|lösung|réponse|respuesta|risposta|"
    r"resposta|antwoord|ответ|정답|답|答え|正解|答案|选项|选择)"
)
COPULA = (
    r"(?:is|was|are|'s|(?:would|will|should|must|has to|can only|could only|seems to|appears to|might|may|could) be|"
    r"ist|lautet|est|es|é|è|は|은|는|是|为|应该是|应为|应是|:|=|->|=>|→|⇒|-)"
)
SOFT = (  # words that may stand between the cue and the letter
    r"(?:\s|:|,|\"|'|the|option|choice|letter|answer|number|indeed|clearly|most|likely|probably|definitely|simply|"
    r"therefore|thus|then|only|actually|still|certainly|surely|just|be|really|again|my|best|correct|right|final|correcta|correta|corretta|correcte|richtige|la|le|die|der|正确|的)*"
)
ADJECTIVE = (
    r"(?:correct|right|best|true|final|proper|accurate|appropriate|suitable|plausible|likely|matching|"
    r"richtig|correcta|correcte)"
)
VERB = (
    r"(?:choos(?:e|ing)|chose|select(?:ed|ing)?|pick(?:ed|ing)?|go(?:ing)? (?:with|for)|went with|opt(?:ed|ing)? for|"
    r"settl(?:e|ing) on|vote(?: for)?|prefer|(?:looks?|seems?|sounds?) like|say|"
    r"guess|think|believe|mean(?:t)?|lean(?:ing)?(?: towards?)?|"
    r"leads? (?:me |us )?to|points? to|"
    r"left with|leav(?:es|ing)|corresponds? to|match(?:es)?|supports?|indicates?|suggests?|i got|answer with|"
    r"wähle|elijo|choisis)"
)
PRONOUN = r"(?:it|es|das|that|this|which|one|and|only)"
CONNECTOR = (
    r"(?:so|thus|hence|therefore|probably|likely|definitely|clearly|maybe|perhaps|surely|certainly|but|finally|correction|"
    r"by elimination|by process of elimination|more|rather|uh|um|er|100 ?%|final|yes|ok|okay|actually|"
    r"conclusion|verdict|correct|是|因此|所以|故|选|应选|答|而是|选择|sino|sondern|no[,:]|也许是?|可能是?|或许是?|->|=>|→|⇒|∴)"
)

AFFIRM_LEFT = re.compile(
    rf"(?:{NOUN}\)?(?:\s+(?:to|for) (?:the|this) \w+)?\s*(?:\([^()]*\)\s*)?(?:(?:{SOFT})\s*{COPULA})+"
    rf"|\b{ADJECTIVE}(?:\s+\w+){{0,4}}?\s*{COPULA}"
    rf"|\b{VERB}(?:\s+(?:that|it is|it's|it|is))*"
    r"|\b(?:had|have) to (?:choose|pick|guess|answer|decide)[^.;\n]{0,20}[,:]"
    rf"|\b{PRONOUN}\s*(?:is|ist|was|'s|(?:must|has to|would|can only|could only|could|might|may|"
    rf"could also|might also|should|will|seems to) be)"
    rf"|(?:^|[^\w]|(?<=[一-鿿])){CONNECTOR}[,:]?"
    rf"){SOFT}$",
    re.IGNORECASE,
)
MARK_LEFT = re.compile(
    r"\b(?:option|choice|answer|réponse|respuesta|opción|opção|вариант|lựa chọn)\s*[:#]?\s*$|(?:选项|选)\s*$",
    re.IGNORECASE,
)
HEDGE = re.compile(r"\b(?:could|might|may|maybe|perhaps|possibly|either)\b|也许|可能|或许", re.IGNORECASE)
END_LEFT = re.compile(r"\b(?:is|are|be)\s*[:\"']*\s*$", re.IGNORECASE)

REJECT_LEFT = re.compile(
    r"(?:\b(?:not(?: (?:show|match|fit|depict|support|describe|contain|include))?|never|neither|nor|cannot|"
    r"(?:anything|everything|all|any of them) but|rather than|instead of|than|over|except(?: for)?|excluding|unlike|"
    r"other than|"
    r"without|eliminat\w*|rul(?:e|es|ed|ing) out|exclud\w*|discard\w*|reject\w*|dismiss\w*|nicht|kein\w*|ne|pas|"
    r"no es)\b|n't\b|不是|不选|不能选?|不应选?|并非|不可能是|排除)"
    rf"\s*(?:necessarily|just)?{SOFT}$"
    r"|\b(?:wrong|incorrect|false|bad|distractor|distractors|misleading)\b[^.;\n]{0,25}?(?:is|are|:|being)?\s*$",
    re.IGNORECASE,
)
REJECT_LIST = re.compile(  # "none of the options A, B, C" up to the letter looked at
    r"\b(?i:none|neither|any) of (?:the )?(?:options?|choices?|answers?)?[\s:(]*"
    r"(?:\(?[A-Z]\)?[\s,]*(?:and|or|nor)?\s*)*\(?$"
)
REJECT_CLAUSE = re.compile(
    r"(?:n't|\bnot)\s+(?:think|believe|say|choose|pick|select|agree|consider|sure (?:that|if|whether))"
    r"|\bdoubt\b(?<!no doubt)|\bunlikely\b|\bno way\b|\bwhether\b"
    r"|\bif\b(?! (?:i ha(?:d|ve) to|i must|forced|pressed))(?!.*\bthen\b)"
    r"|\b(?:tempting|hard|difficult|wrong|easy|a mistake) to (?:say|think|choose|pick|answer|select|go)\b",
    re.IGNORECASE,
)

COPULA_RIGHT = (
    r"(?:is|was|are|were|seems?|looks?|sounds?|appears?|remains?|(?:would|can|could|must|should|may|might|will) be|=)"
)
SOFTER = (
    r"(?:to be|also|both|all|clearly|simply|definitely|obviously|therefore|thus|just|the|most|more|likely|"
    r"indeed|only|accurately|correctly|perfectly|closely|exactly|"
    r"my|probably|a|an|very|better|certainly|actually|then|still|so|too|partly|best|correct|final)"
)
OPENING = r"^[\"')\]}]*\s*(?:\([^()]*\)\s*|\"[^\"]*\"\s*)?"
WRONG = (
    r"(?:wrong|incorrect|false|ruled out|eliminated|excluded|rejected|out\b|unlikely|impossible|implausible|invalid|"
    r"inaccurate|distractor|misleading|irrelevant|falsch|faux|incorrecta|不对|错误|错|不正确|不是|不符)"
)
RIGHT = r"(?:correct|right|true|answer|choice|accurate|match|option|one|it\b|richtig|correcte|对|正确)"

REJECT_RIGHT = re.compile(
    rf"{OPENING}(?:option\s+|choice\s+)?(?:"
    rf"(?:{COPULA_RIGHT}\s+)?(?:{SOFTER}\s+)*(?:{WRONG})"
    rf"|(?:{COPULA_RIGHT}|does|do|did|can|could|would|will|has|have)\s+(?:{SOFTER}\s+)*not\b"
    rf"|{COPULA_RIGHT}\s+[\w ]{{1,30}}?\bbut\s+(?:{SOFTER}\s+)*(?:{WRONG})|only if\b"
    r"|(?:is|was|are|does|do|did|ca|could|would|wo|has|have)n't\b|cannot\b|contradicts?\b|fails?\b|不|没)",
    re.IGNORECASE,
)
AFFIRM_RIGHT = re.compile(
    rf"{OPENING}(?:option\s+|choice\s+)?(?:{COPULA_RIGHT}\s+(?:{SOFTER}\s+)*{RIGHT}(?!\s*(?:that|which)\s+(?:is|was)\s+(?:not|wrong))"
    rf"|{COPULA_RIGHT}\s+(?:the\s+)?(?:more|most)\s+(?:likely|plausible|probable|accurate|appropriate|suitable|fitting)"
    rf"|remains\b|{COPULA_RIGHT}\s+(?:shown|depicted|supported|seen)\s*(?=[.!]|$)|it is\s*(?=[.!]|$)|(?:is|"
    rf"are) (?:left|the only)\b|(?:is|does)\s*(?=[.!]|$)"
    rf"|(?:{SOFTER}\s+)*(?:fits|matches|describes|explains|reflects|represents|captures|summari[sz]es)\b|(?:选项)?(?:是)?(?:正确|对))",
    re.IGNORECASE,
)
VERDICT_WRONG = re.compile(
    rf"^[\"')\]}}.:,;\-=>|\s(]*(?:{WRONG}|no\b|not (?:correct|right|true|shown|seen|in the)|✗|✘|❌|✖|×)", re.IGNORECASE
)
VERDICT_RIGHT = re.compile(
    r"^[\"')\]}.:,;\-=>|\s(]*(?:(?:this|it|that) is )?"
    r"(?:(?:this|it|that) (?:matches|fits)|correct|right|true|yes|✓|✔|✅|☑|对|正确)(?![A-Za-z])",
    re.IGNORECASE,
)
ALL_BUT = re.compile(
    r"\b(?:all|every|everything|everyone|any|each|anything)\b[^.;\n]{0,30}\b(?:except(?: for)?|but|other than|"
    r"apart from)\s+"
    r"(?:the\s+)?(?:option\s+|choice\s+)?\W*$",
    re.IGNORECASE,
)
ANSWERED_YES = re.compile(r"^[\s\"')]*(?:yes|right|correct|indeed|是的?)\b", re.IGNORECASE)
