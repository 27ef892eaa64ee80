//! Guests' pages in English.
//!
//! Short sentences for people who stand at a party; no term of the trade.

use super::{Ask, Camera, Door, Guest, Letters, Photos, Trouble};

pub static WORDS: Guest =
    Guest { door: DOOR, camera: CAMERA, ask: ASK, photos: PHOTOS, letters: LETTERS };

const DOOR: Door = Door {
    skip: "Skip to content",
    language: "Language",
    by_studio: |studio| format!("Photographs by {studio}"),
    lead: "Find the photos you are in, without an app. Here only you see them, the studio, and the people who are in them \
           with you.",
    steps: [
        "Say who you are.",
        "Show your face to the camera. It takes half a minute.",
        "See your photos, also those that are still to come.",
    ],
    begin: "Find my photos",
    without_camera: "Without the camera",
    neither: "You want neither? Ask the studio in person: it can give you photos without any face search, for example \
              in an album that opens with a PIN.",
    no_script: "Finding yourself by camera needs JavaScript. You can ask the studio for your photos instead.",
    go_on: "To your photos",
    you_title: "Who are you?",
    name: "Your name",
    contact: "E-mail or phone number",
    contact_hint: "The studio sees it. It is not used for advertising. A number from outside India needs its country code.",
    next: "Next",
    back: "Back",
    consent_title: "Before the camera opens",
    i_agree: "I agree that my face is used to find my photos.",
    i_am_adult: "I am 18 or older.",
    both_needed: "Please tick both boxes, or go back and choose the way without the camera.",
    consent_changed: "This text has changed meanwhile. Please load the page again and read it.",
    contact_wrong: "Please write an e-mail address or a phone number: ten digits in India, elsewhere with the country code, \
                    such as +44.",
    closed_title: "This link is not open",
    closed: "The link has run out, the studio has withdrawn it, or part of it is missing. Please scan the code again, or \
             ask the studio.",
    failed_title: "That did not work",
    failed: "Something went wrong on our side. Please try again in a moment.",
    no_line: "There is no connection. Please look for a better signal and try again.",
};

const CAMERA: Camera = Camera {
    title: "Show your face",
    intro: "Hold the phone at eye level, with light on your face. You will be asked to turn your head three times. \
            The pictures are not kept.",
    open: "Open the camera",
    opening: "Opening the camera. Your browser may ask you to allow it.",
    preview: "Your camera's picture, as in a mirror",
    cancel: "Stop",
    guidance: [
        "Look straight ahead",
        "Turn your head to your left",
        "Turn your head to your right",
        "Lift your chin",
        "Lower your chin",
        "Put your face into the oval",
        "Only one face, please",
        "Come closer",
        "Move back a little",
        "More light on your face, please",
        "Hold still",
    ],
    reasons: [
        Trouble {
            what: "It took too long.",
            remedy: "Try again when you have a quiet moment: hold the phone at eye level and follow the arrows.",
        },
        Trouble {
            what: "That went too fast.",
            remedy: "Wait until the arrow appears, then turn your head slowly.",
        },
        Trouble {
            what: "The face changed on the way.",
            remedy: "The same person has to stay in front of the camera to the end.",
        },
        Trouble {
            what: "There were several faces.",
            remedy: "Step aside, so that you alone are in the picture.",
        },
        Trouble {
            what: "We could not see your face.",
            remedy: "Take off a mask or sunglasses, look for more light, and keep your face in the oval.",
        },
        Trouble {
            what: "That was another direction.",
            remedy: "Follow the arrow on the screen: it works like a mirror.",
        },
        Trouble {
            what: "The camera seemed to see a picture rather than a person.",
            remedy: "Turn your head itself and hold the phone still. Light from the front helps.",
        },
        Trouble {
            what: "We could not be sure that somebody is there.",
            remedy: "Go where the light is better, wipe the lens, and keep screens and photos out of the picture.",
        },
        Trouble {
            what: "The camera's picture stood still.",
            remedy: "Close other programs that use the camera, then try again.",
        },
    ],
    progress: "{done} of {of} turns done",
    passed: "That is you. Looking for your photos…",
    try_again: "Try again",
    failed_title: "Not yet",
    refused: Trouble {
        what: "The camera is not allowed.",
        remedy: "Open the settings of this page, beside its address, allow the camera, then try again.",
    },
    absent: Trouble {
        what: "There is no camera here.",
        remedy: "Open the link on a phone, or ask the studio for your photos.",
    },
    busy: Trouble {
        what: "The camera is in use.",
        remedy: "Close other programs that use it, then try again.",
    },
    insecure: Trouble {
        what: "This browser keeps the camera closed.",
        remedy: "Open the link in your phone's own browser, not inside another app.",
    },
    wait: Trouble {
        what: "Those were many tries.",
        remedy: "Please wait {minutes} min, or ask the studio for your photos.",
    },
    many_people: Trouble {
        what: "Other people have already come with this e-mail address or number.",
        remedy: "Do you share a phone? Begin again with an e-mail address of your own, or ask the studio for your photos.",
    },
    ended: Trouble { what: "You have been signed out.", remedy: "Please scan the code again." },
    broken: Trouble {
        what: "Something went wrong on our side.",
        remedy: "Please try again in a moment.",
    },
    no_line: Trouble {
        what: "There is no connection.",
        remedy: "Please look for a better signal and try again.",
    },
    vibrate: "Vibrate when a turn is done",
};

const ASK: Ask = Ask {
    title: "Without a camera",
    intro: "Somebody at the studio looks for you in the photos by hand. If they let you in, you get an e-mail with a link to \
            your photos.",
    email: "Your e-mail address",
    email_hint: "The link to your photos comes there.",
    email_wrong: "Please check your name and write an e-mail address.",
    message: "How can the studio recognise you?",
    message_hint: "For example: the bride's cousin, blue dress, table 4.",
    i_agree: "I agree that the studio picks out my face in the photos, and that it is used to find mine.",
    both_needed: "Please tick both boxes. If you do not want to, ask the studio in person for your photos.",
    consent_changed: "The text has changed meanwhile. Please read it again.",
    send: "Ask the studio",
    sent_title: "Sent",
    sent: "The studio has your request. If it lets you in, you get an e-mail with a link to your photos.",
    with_camera: "Use the camera after all",
};

const PHOTOS: Photos = Photos {
    title: "Your photos",
    count: ["{count} photo of you", "{count} photos of you"],
    looking: "Looking for your photos…",
    none: "No photo of you yet.",
    none_hint: "Photos may still be on their way. They appear here by themselves.",
    new: ["{count} new photo", "{count} new photos"],
    photo: "Photo {count}",
    not_me: "That's not me",
    taken_out: "Taken out.",
    undo: "Undo",
    also_me: "Is this you, too?",
    also_me_hint: "We are not sure about these. Other guests do not see your answer.",
    face: "A face cut out of a photo",
    yes: "Yes, that's me",
    no: "No",
    thanks: "Thank you.",
    previous: "Previous photo",
    next: "Next photo",
    close: "Close",
    position: "{number} of {count}",
    download: "Download",
    download_all: "Download all",
    no_downloads: "The studio has closed downloads. Ask it for copies.",
    tell_title: "New photos",
    tell_intro: |day| {
        format!(
            "We send you an e-mail when new photos of you appear, once an hour at most, until {day}."
        )
    },
    tell: "Tell me of new photos",
    tell_asked: "We have sent you an e-mail. Please open the link in it and confirm there, so that we know the address is yours.",
    tell_on: "You get an e-mail when new photos of you appear.",
    tell_stop: "Stop the e-mails",
    tell_cannot: "For this we need an e-mail address. You came with a phone number; this page shows new photos all the same.",
    group_title: "Photos with others",
    group_intro: "Find the photos that show you and your friends together. One of you makes a code, the others enter it.",
    group_make: "Make a code",
    group_code: "Your friend's code",
    group_code_hint: "From the friend who made it. It works for 15 minutes.",
    group_join: "Join",
    group_yours: "Your code, for your friends to enter within 15 minutes:",
    group_wrong: "This code is not right, or its 15 minutes are over.",
    group_in: "You are in a group.",
    group_leave: "Leave the group",
    all: "All of mine",
    together: "With all of the group",
    data_title: "Your data",
    data_intro: "Your face is kept as a face template, an encrypted list of numbers, for this event only.",
    open_until: |day| {
        format!(
            "On {day} the event ends here: your template, your name and your contact are deleted, and so are the \
             photos on this page."
        )
    },
    leave: "Sign out",
    delete: "Delete my face data",
    delete_title: "Delete your face data?",
    delete_what: [
        "Your face template, your name and your contact are deleted at once, for good, and you are signed out.",
        "You no longer see your photos here, and no more e-mails come.",
        "You get a signed receipt that proves it. What stays is a note, without your name, that you had agreed and took \
         it back, and the studio's copy of the receipt.",
    ],
    delete_faces: "Delete my face data from the event's photos, too",
    delete_faces_hint: "Then nobody can find you in them by face. The photos themselves stay with the studio.",
    delete_now: "Delete now",
    keep: "Keep it",
    deleting: "Deleting…",
    deleted_title: "It is gone",
    deleted: "Your face template, your name and your contact are deleted. Save the receipt if you want a proof.",
    receipt: "Receipt",
    receipt_save: "Save the receipt",
    signed_out_title: "Scan the code to see your photos",
    signed_out: "You have been signed out, or you are here for the first time. Scan the event's code, or open the link you came by.",
    come_again: "Show your face again",
    failed: "That did not work. Please try again.",
};

const LETTERS: Letters = Letters {
    enter_title: "Your photos are ready",
    enter: "The studio has found you. This link works once.",
    enter_button: "See my photos",
    notify_title: "E-mails about new photos",
    notify: "Do you want an e-mail when new photos of you appear?",
    notify_button: "Yes, send me e-mails",
    notified: "Done. You get an e-mail when there is something new.",
    gone: "This link has been used already, has run out, or part of it is missing.",
    needs_script: "This page needs JavaScript.",
};
